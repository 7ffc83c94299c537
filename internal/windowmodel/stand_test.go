package windowmodel_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// reading is a value with a key and a time, in minutes.
type reading struct {
	key string
	at  int
	v   int
}

// hourly is a result of a window of an hour: start is in minutes.
type hourly struct {
	key                string
	start, v, revision int
}

// sharer is a process that shares windows of an hour.
type sharer struct {
	c     chan reading
	out   *sinks.Collector[flow.Window[string, int]]
	late  *sinks.Collector[reading]
	ended chan error
}

// share runs a process whose results arrive when arrives is closed; nil is for at once.
func share(t *testing.T, store state.Store, arrives chan struct{}) *sharer {
	t.Helper()
	s := &sharer{
		c: make(chan reading), out: sinks.Collect[flow.Window[string, int]](),
		late: sinks.Collect[reading](), ended: make(chan error, 1),
	}
	p := flow.From(sources.Channel(s.c).Redeliver(0, nil)).KeyBy(func(r reading) string { return r.key }).
		Window(flow.Tumbling(time.Hour), flow.EventTime(func(r reading) time.Time { return time.Unix(int64(r.at)*60, 0) }, 0)).
		KeptIn(store, "w").
		Late(func(l flow.Stream[reading]) *flow.Pipeline { return l.To(s.late) }).
		Agg(func() int { return 0 }, func(sum int, r reading) int { return sum + r.v }).
		ParMap(1, func(_ context.Context, w flow.Window[string, int]) (flow.Window[string, int], error) {
			if arrives != nil {
				<-arrives
			}
			return w, nil
		}).To(s.out)
	go func() { s.ended <- p.Run(t.Context()) }()
	return s
}

// give gives values, and a second to work on them.
func (s *sharer) give(rs ...reading) {
	for _, r := range rs {
		s.c <- r
	}
	time.Sleep(time.Second)
	synctest.Wait()
}

// results gives what has come out.
func (s *sharer) results() (all []hourly) {
	for _, w := range s.out.Values() {
		all = append(all, hourly{w.Key, int(w.Start.Unix() / 60), w.Value, w.Revision})
	}
	return all
}

// The last process to end gives what is left, but for keys whose results another still has on their way:
// that one gives it when they have arrived.
func TestKept_LeavesNothingBehindWhenResultsOfAnotherAreOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, arrives := state.NewMemory(), make(chan struct{})
		first := share(t, store, arrives)
		last := share(t, store, nil)
		time.Sleep(2 * time.Second) // they know of each other
		first.give(reading{"b", 50, 1})
		last.give(reading{"a", 5, 2}, reading{"a", 70, 4})
		time.Sleep(50 * time.Millisecond) // the other asks how far this one is at another moment
		first.give(reading{"b", 70, 8})
		close(first.c)
		time.Sleep(time.Second)
		close(last.c)
		require.NoError(t, <-last.ended)
		require.Empty(t, last.results())
		close(arrives)
		require.NoError(t, <-first.ended)
		require.ElementsMatch(t, []hourly{
			{"a", 0, 2, 0}, {"b", 0, 1, 0},
			{"a", 60, 4, 0}, {"b", 60, 8, 0},
		}, first.results())
	})
}

// standing is a store whose process stands still while a gate is there: before it commits, or after it.
type standing struct {
	state.Store
	stands, stays atomic.Bool
	gate          chan struct{}
}

func (s *standing) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	if s.stands.Load() {
		<-s.gate
	}
	v, err := s.Store.Commit(ctx, c)
	if s.stays.Load() {
		<-s.gate
	}
	return v, err
}

// A process that stood still for longer than a heartbeat has values that the others did not wait for. They
// are not late by that.
func TestKept_ExcusesWhatAProcessHadWhileItStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := state.NewMemory()
		slow := &standing{Store: memory, gate: make(chan struct{})}
		a, b := share(t, slow, nil), share(t, memory, nil)
		time.Sleep(2 * time.Second) // they know of each other
		a.give(reading{"a", 5, 1})
		b.give(reading{"a", 6, 2})
		slow.stands.Store(true)
		a.give(reading{"a", 7, 4})
		for at := 130; at < 160; at++ {
			b.give(reading{"b", at, 1})
			time.Sleep(time.Second)
		}
		require.Equal(t, []hourly{{"a", 0, 3, 0}}, b.results(), "it was not waited for")
		close(slow.gate)
		time.Sleep(2 * time.Second)
		close(a.c)
		close(b.c)
		require.NoError(t, <-a.ended)
		require.NoError(t, <-b.ended)
		require.Empty(t, a.late.Values())
		all := append(a.results(), b.results()...)
		require.Contains(t, all, hourly{"a", 0, 7, 1}, "a correction")
	})
}

// It has told the others that it lives when it began a commit, however late it gets the answer: what comes
// meanwhile is not late either.
func TestKept_ExcusesWhatCameWhileAProcessWaitedForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := state.NewMemory()
		slow := &standing{Store: memory, gate: make(chan struct{})}
		a, b := share(t, slow, nil), share(t, memory, nil)
		time.Sleep(2 * time.Second) // they know of each other
		b.give(reading{"a", 6, 2})
		slow.stays.Store(true)
		a.give(reading{"a", 7, 4})
		a.give(reading{"a", 8, 8})
		for at := 130; at < 160; at++ {
			b.give(reading{"b", at, 1})
			time.Sleep(time.Second)
		}
		require.Equal(t, []hourly{{"a", 0, 6, 0}}, b.results(), "it was not waited for")
		close(slow.gate)
		time.Sleep(2 * time.Second)
		close(a.c)
		close(b.c)
		require.NoError(t, <-a.ended)
		require.NoError(t, <-b.ended)
		require.Empty(t, a.late.Values())
		require.Contains(t, append(a.results(), b.results()...), hourly{"a", 0, 14, 1}, "a correction")
	})
}
