package sources

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
)

// dedupeRetried is a pipeline of a topic and its retry topic: a Dedupe, and below it what fails for some values.
type dedupeRetried struct {
	*rig
	store state.Store
	retry flow.Policy
	out   *flowtest.Output[string]

	mu    sync.Mutex
	fails map[string]int // how often the work still fails, by value
	tries int
	takes time.Duration // of the work
	err   error
}

func newDedupeRetried(r *rig, fails map[string]int) *dedupeRetried {
	r.Helper()
	require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "later", Queues: 2, Type: broker.Delay}))
	require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "dead", Queues: 1}))
	require.NoError(r, r.broker.CreateGroup(broker.Group{Name: "R"}))
	again := sinks.RetryTopic(r.client, "later", sinks.DeadLetterTopic(r.client, "dead"), 10*time.Second, time.Minute)
	soon := func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
	return &dedupeRetried{
		rig: r, store: state.NewMemory(), out: flowtest.NewOutput[string](), fails: fails, err: errors.New("broken"),
		retry: flow.Retry(1, soon).Then(flow.DeadLetter(again)),
	}
}

// work fails as often as it is to: twice for each time that a message is to come again.
func (p *dedupeRetried) work(_ context.Context, v string) (string, error) {
	time.Sleep(p.takes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	if p.fails[v] > 0 {
		p.fails[v]--
		return "", p.err
	}
	return v, nil
}

// stream gives what has passed the Dedupe.
func (p *dedupeRetried) stream() flow.Stream[string] {
	return p.streamBy(func(body string) string { return body[:1] })
}

func (p *dedupeRetried) streamBy(id func(body string) string) flow.Stream[string] {
	return flow.Merge(
		flow.From(RocketMQ(p.client, "in", "G")),
		flow.From(RetryTopic(p.client, "later", "R")),
	).Dedupe(func(m *client.Message) string { return id(string(m.Body)) }, p.store, "seen", 0).
		Map(func(m *client.Message) string { return string(m.Body) })
}

// run sends messages and runs the pipeline for so long.
func (p *dedupeRetried) run(pipe *flow.Pipeline, d time.Duration, bodies ...string) *flowtest.Result {
	p.Helper()
	p.send("in", "", bodies...)
	res := flowtest.Run(p.T, pipe, flowtest.StopAfter(d))
	require.NoError(p, res.Err)
	for _, group := range []string{"G", "R"} {
		require.Zero(p, p.stats(group).Backlog, "%s: all is acknowledged", group)
	}
	return res
}

func (p *dedupeRetried) marked(ids ...string) []bool {
	p.Helper()
	seen, err := state.Marks{Table: "seen"}.Seen(p.Context(), p.store, ids...)
	require.NoError(p, err)
	return seen
}

// Whatever is between the two, what was put off passes when it comes again, and is a duplicate from then on.
func TestRetryTopic_ComesAgainPastADedupe(t *testing.T) {
	parts := func(v string) []string { return []string{v + "-", v + "+"} }
	for _, row := range []struct {
		name  string
		fails map[string]int
		below func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline
		want  []string // at once, and when b comes again
		later int      // messages in the retry topic
	}{
		{"Map", map[string]int{"b": 2}, func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline {
			return s.TryMap(p.work).OnError(p.retry).To(p.out)
		}, []string{"a", "c", "b"}, 1},
		{"ParMap", map[string]int{"b": 4}, func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline {
			return s.ParMap(3, p.work).OnError(p.retry).To(p.out)
		}, []string{"a", "c", "b"}, 2},
		{"part of a FlatMap", map[string]int{"b-": 2}, func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline {
			return s.FlatMap(parts).TryMap(p.work).OnError(p.retry).To(p.out)
		}, []string{"a+", "a-", "b+", "c+", "c-", "b+", "b-"}, 1},
		{"Batch", map[string]int{"abc": 2}, func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline {
			return s.Batch(3, time.Second).Map(func(vs []string) string {
				slices.Sort(vs)
				return strings.Join(vs, "")
			}).TryMap(p.work).OnError(p.retry).To(p.out)
		}, []string{"abc"}, 3},
		{"branch of a Broadcast", map[string]int{"b-": 2}, func(p *dedupeRetried, s flow.Stream[string]) *flow.Pipeline {
			branches := s.Broadcast(2)
			one := branches[0].Map(func(v string) string { return v + "-" }).TryMap(p.work).OnError(p.retry)
			return flow.Merge(one, branches[1].Map(func(v string) string { return v + "+" })).To(p.out)
		}, []string{"a+", "a-", "b+", "c+", "c-", "b+", "b-"}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				p := newDedupeRetried(r, row.fails)
				p.run(row.below(p, p.stream()), 5*time.Minute, "a", "b", "c")
				require.ElementsMatch(r, row.want, p.out.Values())
				require.Len(r, r.broker.Messages("later"), row.later)
				require.Equal(r, []bool{true, true, true}, p.marked("a", "b", "c"))

				p.run(row.below(p, p.stream()), time.Minute, "a", "b", "c")
				require.Len(r, p.out.Values(), len(row.want), "all are duplicates now")
			})
		})
	}
}

// What was put off is not marked before it has come again and succeeded, also in another run.
func TestRetryTopic_IsNotMarkedWhileItWaits(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newDedupeRetried(r, map[string]int{"b": 2})
		pipe := func() *flow.Pipeline { return p.stream().TryMap(p.work).OnError(p.retry).To(p.out) }
		p.send("in", "", "a", "b")
		require.NoError(r, flowtest.Run(r.T, pipe(), flowtest.StopAfter(5*time.Second)).Err)
		require.Zero(r, r.stats("G").Backlog)
		require.Equal(r, []bool{true, false}, p.marked("a", "b"))
		p.run(pipe(), time.Minute)
		require.Equal(r, []string{"a", "b"}, p.out.Values())
		require.Equal(r, []bool{true, true}, p.marked("a", "b"))
	})
}

// A second of the same id that comes while the first is in flight is put off with it: the one message in the
// retry topic stands for both.
func TestRetryTopic_StandsForTheSecondOfAnID(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newDedupeRetried(r, map[string]int{"b1": 2, "b2": 2})
		p.takes = 2 * time.Second
		res := p.run(p.stream().TryMap(p.work).OnError(p.retry).To(p.out), time.Minute, "b1", "b2")
		require.Len(r, p.out.Values(), 1)
		require.Len(r, r.broker.Messages("later"), 1)
		require.Equal(r, 3, p.tries)
		require.Equal(r, []bool{true}, p.marked("b"))
		dedupe, _ := res.Snapshot.Stage("dedupe")
		require.EqualValues(r, 1, dedupe.Counters["duplicates"])
	})
}

// One that comes while the first waits in the retry topic is a try ahead of its time: if it succeeds, what
// waits is a duplicate; if it fails, both come again, and one of them passes.
func TestRetryTopic_WritesOnceWhatComesTwice(t *testing.T) {
	for name, fails := range map[string]int{"succeeds": 0, "fails": 2} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				p := newDedupeRetried(r, map[string]int{"b1": 2, "b2": fails})
				pipe := func() *flow.Pipeline { return p.stream().TryMap(p.work).OnError(p.retry).To(p.out) }
				p.send("in", "", "b1")
				require.NoError(r, flowtest.Run(r.T, pipe(), flowtest.StopAfter(5*time.Second)).Err)
				p.run(pipe(), time.Minute, "b2")
				require.Len(r, p.out.Values(), 1)
				require.Len(r, r.broker.Messages("later"), 1+fails/2)
			})
		})
	}
}

// What is dead in the end is done: a duplicate of it is dropped.
func TestRetryTopic_IsMarkedWhenItIsDead(t *testing.T) {
	for _, row := range []struct {
		name  string
		err   error
		later int
	}{{"after its delays", errors.New("broken"), 2}, {"at once", stage.Permanent(errors.New("broken")), 0}} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				p := newDedupeRetried(r, map[string]int{"b": 100})
				p.err = row.err
				p.run(p.stream().TryMap(p.work).OnError(p.retry).To(p.out), 5*time.Minute, "b")
				require.Len(r, r.broker.Messages("later"), row.later)
				require.Len(r, r.broker.Messages("dead"), 1)
				require.Equal(r, []bool{true}, p.marked("b"))
			})
		})
	}
}
