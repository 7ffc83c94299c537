package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// Consume, transform, produce, while answers get lost, connections break, and two processes are killed
// and started again: each input has exactly one output in the end.
func TestRocketMQOnce_GivesEachInputOneOutputWhateverHappens(t *testing.T) {
	for seed := range uint64(storms) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newStorm(t, seed).rage() })
		})
	}
}

// storm is what befalls a job.
type storm struct {
	*testing.T
	broker *broker.Broker
	store  state.Store
	dice   *rand.Rand
}

const stormInputs = 60

func newStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	b := brokertest.New(t, brokertest.WithoutAutoCreate(), brokertest.WithTopics(
		broker.Topic{Name: "in", Queues: 2}, broker.Topic{Name: "once", Queues: 2, Type: broker.Transaction}),
		brokertest.WithGroups(broker.Group{Name: "job"}))
	return &storm{t, b, state.NewMemory(), rand.New(rand.NewPCG(seed, 1))}
}

func (s *storm) rage() {
	s.fill()
	const over = 5 * time.Minute
	for i, rpc := range []string{"SendMessage", "EndTransaction", "AckMessage", "ChangeInvisibleDuration", "ReceiveMessage"} {
		for j, do := range []broker.Action{broker.CutAfter(), broker.CutBefore(), broker.AnswerCode(50001, "broken"), broker.DelayBy(8 * time.Second)} {
			_, err := s.broker.Inject(broker.Fault{
				On: broker.Match{RPC: rpc}, Probability: 0.08, Seed: s.dice.Uint64(), Until: over, Do: do,
			})
			require.NoError(s, err, "%d %d", i, j)
		}
	}
	done := make(chan struct{})
	for range 2 {
		dice := rand.New(rand.NewPCG(s.dice.Uint64(), 2))
		go func() {
			defer func() { done <- struct{}{} }()
			for begun := time.Now(); time.Since(begun) < over; {
				s.process(time.Duration(1+dice.IntN(40)) * time.Second)
			}
		}()
	}
	<-done
	<-done
	s.process(2 * time.Hour) // all backoffs, and all questions of the server

	var got []string
	for _, m := range s.broker.Messages("once") {
		got = append(got, string(m.Body))
	}
	slices.Sort(got)
	var want []string
	for i := range stormInputs {
		want = append(want, fmt.Sprintf("output %02d", i))
	}
	require.Equal(s, want, got)
	stats, err := s.broker.GroupStats("job")
	require.NoError(s, err)
	require.Zero(s, stats.Backlog+stats.InFlight, "inputs are acknowledged")
}

func (s *storm) fill() {
	c := s.connect()
	defer func() { require.NoError(s, c.Close()) }()
	p, err := c.NewProducer()
	require.NoError(s, err)
	for i := range stormInputs {
		_, err := p.Send(s.Context(), &client.Message{Topic: "in", Body: fmt.Appendf(nil, "%02d", i)})
		require.NoError(s, err)
	}
}

func (s *storm) connect() *client.Client {
	c, err := client.New(s.broker.Endpoint(), client.WithPlaintext(), client.WithDialer(s.broker.Dialer()))
	require.NoError(s, err)
	return c
}

// process runs the job in a process of its own for a time, and kills it.
func (s *storm) process(life time.Duration) {
	c := s.connect()
	defer func() { require.NoError(s, c.Close()) }()
	ctx, kill := context.WithTimeout(s.Context(), life)
	defer kill()
	err := flow.From(sources.RocketMQ(c, "in", "job", sources.WithInvisible(20*time.Second))).
		Map(func(m *client.Message) string { return "output " + string(m.Body) }).
		To(sinks.RocketMQOnce(c, "once", s.store, sinks.ByInput[string], func(v string) (*client.Message, error) {
			return &client.Message{Body: []byte(v)}, nil
		})).Run(ctx, flow.WithDrainTimeout(time.Millisecond))
	var cut *flow.DrainError
	if err != nil && !errors.As(err, &cut) {
		require.NoError(s, err)
	}
}
