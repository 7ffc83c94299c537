package integration

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	windowed = 60   // messages in windows that are complete in the end
	closing  = 1000 // the number of messages by which they are
)

// event is a message with a number; there is one every three minutes.
type event struct {
	id string
	n  int
}

func (e event) at() time.Time { return time.Unix(0, 0).UTC().Add(time.Duration(e.n) * 3 * time.Minute) }

func (e event) key() string { return []string{"even", "odd"}[e.n%2] }

// windows is what windows of an hour have come to: a table that is kept as [flow.Window] says.
type windows struct {
	ledger *ledger
	came   atomic.Int64 // deliveries above the windows

	mu    sync.Mutex
	down  int // writes that are to fail
	table map[string]flow.Window[string, []event]
}

func newWindows(down int) *windows {
	return &windows{ledger: newLedger(), down: down, table: make(map[string]flow.Window[string, []event])}
}

// pipeline holds records for as long as hold says, 0 for what the lease leaves. Nothing is late, however
// much the order differs from that of the load.
func (w *windows) pipeline(c *client.Client, topic, group string, lease, hold time.Duration) *flow.Pipeline {
	return flow.From(sources.RocketMQ(c, topic, group, sources.WithInvisible(lease))).
		TryMap(func(_ context.Context, m *client.Message) (event, error) {
			n, err := strconv.Atoi(string(m.Body))
			w.came.Add(1)
			return event{m.ID, n}, err
		}).
		KeyBy(event.key).
		Window(flow.Tumbling(time.Hour), flow.EventTime(event.at, 3*time.Hour).Idle(time.Second)).
		HoldFor(hold).
		DropLate().
		Collect().
		To(sinks.Func(w.write))
}

func (w *windows) write(_ context.Context, result flow.Window[string, []event]) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down--; w.down >= 0 {
		return errors.New("down")
	}
	if had, ok := w.table[result.Pane()]; !ok || had.Revision < result.Revision {
		w.table[result.Pane()] = result
	}
	for _, e := range result.Value {
		w.ledger.write(e.id)
	}
	return nil
}

// await waits for so many deliveries.
func (w *windows) await(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return w.came.Load() >= n }, patience, 50*time.Millisecond, "%d deliveries", w.came.Load())
}

// numbers gives those in each window, sorted.
func (w *windows) numbers() map[string][]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string][]int)
	for pane, result := range w.table {
		for _, e := range result.Value {
			all[pane] = append(all[pane], e.n)
		}
		slices.Sort(all[pane])
	}
	return all
}

// plainWindows is what the windows have to come to.
func plainWindows() map[string][]int {
	all := make(map[string][]int)
	for n := range windowed {
		e := event{n: n}
		pane := e.key() + "/" + e.at().Truncate(time.Hour).Format(time.RFC3339)
		all[pane] = append(all[pane], n)
	}
	return all
}

// complete sends messages that move the watermark, until all others are acknowledged: a queue that has
// fallen silent holds it up until it is idle, and only what comes after that moves it. It gives how many.
func (w *windows) complete(ctx context.Context, t *testing.T, c *client.Client, topic string) (sent int64, err error) {
	t.Helper()
	p := newProducer(t, c)
	for {
		if _, err := p.Send(ctx, &client.Message{Topic: topic, Body: strconv.AppendInt(nil, closing, 10)}); err != nil {
			return sent, err
		}
		sent++
		soon, cancel := context.WithTimeout(ctx, time.Second)
		err := w.ledger.untilAcked(soon, windowed)
		cancel()
		if err == nil || ctx.Err() != nil {
			return sent, err
		}
	}
}

// watched gives a client whose acknowledgements the ledger sees.
func (w *windows) watched(t *testing.T, g *target.Target) *client.Client {
	t.Helper()
	c, err := client.New(g.Endpoint(), client.WithConnect(w.ledger.connect))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestWindow_HoldsAcknowledgementsUntilItsResultIsWritten(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	load(t, c, topic, windowed)
	w := newWindows(3)
	p := w.pipeline(w.watched(t, g), topic, group, invisible, 0)
	var left int64
	run(t, p, func(ctx context.Context) (err error) {
		w.await(t, windowed)
		left, err = w.complete(ctx, t, c, topic)
		return err
	})
	require.Empty(t, w.ledger.early, "acknowledged before the result was written")
	require.Equal(t, plainWindows(), w.numbers())
	stats, _ := p.Snapshot().Stage("window")
	require.Zero(t, stats.Counters["late"])
	require.Positive(t, stats.Counters["again"], "members of the results that were not written came again")
	require.Eventually(t, func() bool {
		backlog, err := g.Backlog(t.Context(), group, topic)
		return err == nil && backlog == left
	}, patience, 50*time.Millisecond, "what is left is in a window that is open")
}

func TestWindow_CountsOnceWhatIsHandedBackMeanwhile(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	load(t, c, topic, windowed)
	w := newWindows(0)
	p := w.pipeline(w.watched(t, g), topic, group, invisible, time.Second)
	run(t, p, func(ctx context.Context) error {
		w.await(t, 3*windowed)
		_, err := w.complete(ctx, t, c, topic)
		return err
	})
	require.Empty(t, w.ledger.early, "acknowledged before the result was written")
	require.Equal(t, plainWindows(), w.numbers())
	stats, _ := p.Snapshot().Stage("window")
	require.Zero(t, stats.Counters["late"])
	require.GreaterOrEqual(t, stats.Counters["handed_back"], int64(2*windowed))
}

func TestWindow_IsMadeAgainByTheNextProcess(t *testing.T) {
	const lease = 10 * time.Second // after which what the dead one had comes again
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	load(t, c, topic, windowed)

	first := newWindows(0)
	dies, err := client.New(g.Endpoint(), client.WithConnect(first.ledger.connect))
	require.NoError(t, err)
	death, die := context.WithCancel(limited(t))
	died := make(chan error, 1)
	go func() {
		died <- first.pipeline(dies, topic, group, lease, 0).Run(death, flow.WithDrainTimeout(time.Millisecond))
	}()
	first.await(t, windowed)
	require.NoError(t, dies.Close()) // what it had is neither acknowledged nor handed back
	die()
	<-died //nolint:errcheck // it may be anything
	require.Empty(t, first.ledger.acked)
	require.Empty(t, first.numbers())

	w := newWindows(0)
	run(t, w.pipeline(w.watched(t, g), topic, group, lease, 0), func(ctx context.Context) error {
		w.await(t, windowed)
		_, err := w.complete(ctx, t, c, topic)
		return err
	})
	require.Empty(t, w.ledger.early, "acknowledged before the result was written")
	require.Equal(t, plainWindows(), w.numbers())
}
