package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// keyed is what came of values, by key: each when it first came.
type keyed struct {
	mu    sync.Mutex
	first map[string][]int
	total int
}

func (k *keyed) write(_ context.Context, v int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.first == nil {
		k.first = make(map[string][]int)
	}
	key := keyOf(v)
	if !slices.Contains(k.first[key], v) {
		k.first[key] = append(k.first[key], v)
		k.total++
	}
	return nil
}

func (k *keyed) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.total
}

func keyOf(v int) string { return fmt.Sprint("key ", v%7) }

func number(_ context.Context, m *client.Message) (int, error) { return strconv.Atoi(string(m.Body)) }

// Members of the group join, leave, and die; the values of a key keep the order that the topic gave
// them.
func TestThrough_KeepsTheOrderOfKeysWhileMembersComeAndGo(t *testing.T) {
	const (
		n     = 210
		lease = 10 * time.Second // after which what the dead one had comes again
	)
	t.Parallel()
	g := target.New(t)
	in, byKey := g.CreateTopic(t, "NORMAL", 4), g.CreateTopic(t, "FIFO", 4)
	spread, work, watch := g.CreateGroup(t, false, 16), g.CreateGroup(t, true, 16), g.CreateGroup(t, true, 16)
	load(t, newClient(t, g), in, n)

	got := &keyed{}
	member := func(c *client.Client) *flow.Pipeline {
		return flow.From(sources.RocketMQ(c, in, spread, sources.WithInvisible(lease))).
			TryMap(number).
			Through(
				sinks.RocketMQOf(c, byKey, sinks.InGroups(keyOf, func(v int) ([]byte, error) { return fmt.Append(nil, v), nil })),
				sources.RocketMQ(c, byKey, work, sources.WithInvisible(lease))).
			TryMap(number).
			To(sinks.Func(func(ctx context.Context, v int) error {
				time.Sleep(5 * time.Millisecond) // so that members are ended in the middle of it
				return got.write(ctx, v)
			}))
	}
	stays, leaves := newClient(t, g), newClient(t, g)
	dies, err := client.New(g.Endpoint(), client.WithPlaintext())
	require.NoError(t, err)
	run(t, member(stays), func(ctx context.Context) error {
		leave, end := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() { left <- member(leaves).Run(leave) }()
		death, die := context.WithCancel(ctx)
		died := make(chan error, 1)
		go func() { died <- member(dies).Run(death, flow.WithDrainTimeout(time.Millisecond)) }()

		got.await(t, n/4)
		end()
		require.NoError(t, <-left)
		require.NoError(t, dies.Close()) // what it had is neither acknowledged nor handed back
		die()
		<-died //nolint:errcheck // it may be anything
		joined := newClient(t, g)
		rejoin, stop := context.WithCancel(ctx)
		defer stop()
		again := make(chan error, 1)
		go func() { again <- member(joined).Run(rejoin) }()
		got.await(t, n)
		stop()
		if err := <-again; !errors.Is(err, context.Canceled) { // which it is if all had come before it was open
			return err
		}
		return nil
	})

	stored := &keyed{}
	run(t, flow.From(sources.RocketMQ(stays, byKey, watch)).TryMap(number).To(sinks.Func(stored.write)), func(context.Context) error {
		stored.await(t, n)
		return nil
	})
	require.Equal(t, stored.first, got.first)
}

// await waits until n values have come.
func (k *keyed) await(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return k.count() >= n }, 3*patience, 50*time.Millisecond, "of %d values %v have come", n, k)
}

// String tells how many values of each key have come.
func (k *keyed) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := make(map[string]int)
	for key, vs := range k.first {
		counts[key] = len(vs)
	}
	return fmt.Sprint(counts)
}
