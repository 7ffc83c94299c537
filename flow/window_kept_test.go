package flow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// watched is a store that tells what is done with it.
type watched struct {
	state.Store

	mu     sync.Mutex
	gate   chan struct{} // commits of rows wait for it; nil if they do not
	reads  []string      // keys of rows
	writes int           // commits with rows
}

func (s *watched) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if strings.HasSuffix(table, ".rows") {
		s.mu.Lock()
		for _, k := range keys {
			s.reads = append(s.reads, string(k))
		}
		s.mu.Unlock()
	}
	return s.Store.Get(ctx, table, keys...)
}

// gated has commits of rows wait.
func (s *watched) gated(gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

func (s *watched) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	for i := range c.Writes {
		if strings.HasSuffix(c.Writes[i].Table, ".rows") {
			s.mu.Lock()
			s.writes++
			gate := s.gate
			s.mu.Unlock()
			if gate != nil {
				<-gate
			}
			break
		}
	}
	return s.Store.Commit(ctx, c)
}

// Rule 6: a record is done when a commit has it, neither sooner nor with a result; what comes while a
// commit is under way goes into one.
func TestKept_AcknowledgesWhatIsCommitted(t *testing.T) {
	store := &watched{Store: state.NewMemory()}
	out := &collector[flow.Window[string, int]]{}
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		store.gate = make(chan struct{})
		return hours(s).KeptIn(store, "w").Agg(zero, plus).To(out)
	}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 5, 1})
		for i := range 100 {
			c <- reading{"a", 6 + i%5, 1}
		}
		give(c)
		for _, done := range outcomes(m) {
			require.False(t, done)
		}
		store.gate <- struct{}{}
		time.Sleep(time.Second)
		require.True(t, outcomes(m)[0])
		require.False(t, outcomes(m)[1])
		close(store.gate)
		time.Sleep(time.Second)
		for _, done := range outcomes(m) {
			require.True(t, done)
		}
		require.Equal(t, 2, store.writes)
		require.Empty(t, out.values())
		close(c)
	}))
	require.Equal(t, []sum{{"a", 0, 60, 101, 0, false, false}}, short(out.values()))
}

// There is no lease budget: the source may order by key, and windows be longer than leases.
func TestKept_HoldsNothing(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	require.NoError(t, feed(t, func(m *sources.Memory[reading]) { m.WithLease(time.Minute).Keyed(keyOfReading) },
		func(s flow.Stream[reading]) *flow.Pipeline {
			return hours(s).KeptIn(state.NewMemory(), "w").Agg(zero, plus).To(out)
		}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
			give(c, reading{"a", 5, 1}, reading{"b", 6, 2})
			time.Sleep(10 * time.Minute)
			give(c, reading{"a", 7, 4}, reading{"a", 61, 8})
			time.Sleep(time.Minute)
			require.Equal(t, []sum{{"a", 0, 60, 5, 0, false, false}, {"b", 0, 60, 2, 0, false, false}}, short(out.values()))
			for _, o := range m.Outcomes() {
				require.True(t, o.Done)
				require.Equal(t, 1, o.Attempts)
				require.Zero(t, o.HandedBack)
			}
			close(c)
		}))
}

// Windows outlive the run. The next one finds what is due without reading all there is, and begins nothing
// anew that is closed.
func TestKept_GoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &watched{Store: state.NewMemory()}
		run := func(rs ...reading) ([]sum, map[string]int64) {
			ctx, cancel := context.WithCancel(t.Context())
			c := make(chan reading)
			out := &collector[flow.Window[string, int]]{}
			p := hours(flow.From(sources.Channel(c))).KeptIn(store, "w").Agg(zero, plus).To(out)
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			give(c, rs...)
			cancel()
			require.NoError(t, <-ended)
			st, _ := p.Snapshot().Stage("window")
			return short(out.values()), st.Counters
		}
		var many []reading
		for i := range 500 {
			many = append(many, reading{fmt.Sprintf("later %d", i), 70, 1})
		}
		first, _ := run(append([]reading{{"a", 5, 1}, {"a", 6, 2}}, reading{"b", 30, 4})...)
		require.Empty(t, first)
		_, _ = run(many...)
		between, counters := run(reading{"d", 8, 32})
		require.Empty(t, between)
		require.EqualValues(t, 1, counters["late"], "the store knows how far the second had come")
		store.reads = nil
		second, counters := run(reading{"c", 80, 1}, reading{"a", 7, 8}, reading{"a", 71, 16})
		require.Empty(t, second, "the first had the watermark pass them")
		require.EqualValues(t, 1, counters["late"])
		require.Less(t, len(store.reads), 10)
		third, _ := run(reading{"a", 121, 1})
		require.Len(t, third, 502)
	})
}

// A record that comes again is not counted again as long as its id is remembered.
func TestKept_RemembersIDsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		run := func() sum {
			out := &collector[flow.Window[string, int]]{}
			src := sources.Values(reading{"a", 5, 1}).Redeliver(0, nil)
			p := hours(flow.From(src)).KeptIn(store, "w", flow.Remember(time.Hour)).Agg(zero, plus).To(out)
			require.NoError(t, p.Run(t.Context()))
			if len(out.values()) == 0 {
				return sum{}
			}
			return short(out.values())[0]
		}
		require.Equal(t, sum{"a", 0, 60, 1, 0, false, false}, run())
		time.Sleep(59 * time.Minute)
		require.Equal(t, sum{}, run())
		time.Sleep(2 * time.Minute)
		require.Equal(t, sum{"a", 0, 60, 2, 1, false, false}, run())
	})
}

// A result that the sink does not take is given again until it does, at the end of the input too, where
// the sink waits for more of a batch than comes.
func TestKept_GivesAgainWhatFailedBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Int32
		fails.Store(5)
		out := &collector[flow.Window[string, int]]{before: func(context.Context, []flow.Window[string, int]) error {
			if fails.Add(-1) >= 0 {
				return errTest
			}
			return nil
		}}
		p := hours(flow.From(sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2}))).KeptIn(state.NewMemory(), "w").
			Agg(zero, plus).To(out, flow.Batched(100, 0))
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []sum{{"a", 0, 60, 3, 0, false, false}}, short(out.values()))
		st, _ := p.Snapshot().Stage("window")
		require.EqualValues(t, 5, st.Counters["given_again"])
	})
}

// When the store fails for longer, records fail, by a typed error, for the policy to decide.
func TestKept_FailsRecordsWhileTheStoreDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &troubled{Store: state.NewMemory()}
		store.crashed = true
		out := &collector[flow.Window[string, int]]{}
		dead := &collector[flow.Failure]{}
		src := sources.Values(reading{"a", 5, 1})
		p := hours(flow.From(src).OnError(flow.DeadLetter(dead))).KeptIn(store, "w").Agg(zero, plus).To(out)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var cut *flow.DrainError
		require.ErrorAs(t, p.Run(ctx), &cut, "what the store has cannot be given")
		require.Len(t, dead.values(), 1)
		var failed *operators.StoreError
		require.ErrorAs(t, dead.values()[0].Err, &failed)
		require.ErrorIs(t, failed, errCrashed)
		require.Equal(t, "w", failed.Name)
	})
}

// Early results, windows by the clock, and count windows, as where acknowledgements are held.
func TestKept_HasAllKindsOfWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		c := make(chan reading)
		early, clock, counts := &collector[flow.Window[string, int]]{}, &collector[flow.Window[string, int]]{}, &collector[flow.Window[string, int]]{}
		ways := flow.From(sources.Channel(c)).Broadcast(3)
		p := flow.Join(
			hours(ways[0]).Early(time.Minute).KeptIn(store, "early").Agg(zero, plus).To(early),
			ways[1].KeyBy(keyOfReading).Window(flow.Tumbling(hour), flow.ProcessingTime[reading]()).
				KeptIn(store, "clock").Agg(zero, plus).To(clock),
			ways[2].KeyBy(keyOfReading).Window(flow.Counts(2), flow.ProcessingTime[reading]()).
				KeptIn(store, "counts").Agg(zero, plus).To(counts))
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		give(c, reading{"a", 5, 1})
		time.Sleep(3 * time.Minute)
		give(c, reading{"a", 6, 2})
		time.Sleep(2 * time.Hour)
		give(c, reading{"a", 61, 4})
		close(c)
		require.NoError(t, <-ended)
		require.Equal(t, []sum{
			{"a", 0, 60, 1, 0, true, false}, {"a", 0, 60, 3, 1, true, false}, {"a", 0, 60, 3, 2, false, false}, {"a", 60, 120, 4, 0, false, false},
		}, short(early.values()))
		var values, pairs []string
		for _, w := range clock.values() {
			values = append(values, fmt.Sprint(w.Value, w.Revision, w.End.Sub(w.Start)))
		}
		require.Equal(t, []string{"3 0 1h0m0s", "4 0 1h0m0s"}, values)
		for _, w := range counts.values() {
			pairs = append(pairs, fmt.Sprint(w.Pane(), w.Value))
		}
		require.Equal(t, []string{"a/03", "a/14"}, pairs)
	})
}

func TestKept_IsValidated(t *testing.T) {
	store := state.NewMemory()
	to := func(s flow.Stream[flow.Window[string, int]]) *flow.Pipeline {
		return s.To(&collector[flow.Window[string, int]]{})
	}
	s := func() flow.Windowed[string, reading] { return hours(flow.From(sources.Values(reading{}))) }
	require.NoError(t, to(s().KeptIn(store, "w").Agg(zero, plus)).Validate())
	for want, bad := range map[string]flow.Windowed[string, reading]{
		"no store: give one":           s().KeptIn(nil, "w"),
		"cannot be the name of tables": s().KeptIn(store, "a\x00"),
		"neither may be negative":      s().KeptIn(store, "w", flow.Heartbeat(-1)),
		"hold no records":              s().KeptIn(store, "w").HoldFor(1),
		"does not encode keys":         s().KeptIn(store, "w", flow.KeyCodec(state.JSON[int]())),
		"does not encode aggregates":   s().KeptIn(store, "w", flow.ValueCodec(state.JSON[string]())),
	} {
		err := to(bad.Agg(zero, plus)).Validate()
		require.ErrorContains(t, err, want)
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "once: %v", err)
	}
	late := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}) }
	twice := flow.Join(to(s().KeptIn(store, "w").Agg(zero, plus)), to(s().Late(late).KeptIn(store, "v").Agg(zero, plus)))
	require.ErrorContains(t, twice.Validate(), "both dropped", "Late and DropLate")
	other := flow.From(sources.Values(reading{})).KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(0)).Late(late)
	require.ErrorContains(t, flow.Join(to(s().KeptIn(store, "w").Agg(zero, plus)), to(other.KeptIn(store, "w").Agg(zero, plus))).Validate(),
		`keep their state under one name, "w"`)
	require.NoError(t, flow.Join(to(s().KeptIn(store, "w").Agg(zero, plus)), to(other.KeptIn(state.NewMemory(), "w").Agg(zero, plus))).Validate())

	short := to(hours(flow.From(sources.Values(reading{}).Redeliver(0, func(int) time.Duration { return hour }))).
		KeptIn(store, "w", flow.Remember(time.Minute)).Agg(zero, plus))
	require.ErrorContains(t, short.Run(t.Context()), "remember them longer")
	text := to(s().KeptIn(store, "w").Agg(zero, plus)).Explain()
	require.Contains(t, text, "; settles when its windows are committed; ")
	require.Contains(t, text, "; keeps windows in the tables w.* of a store, which all processes of a group must share; ")
}

// A stage below that has had enough ends the run, at the end of the input too. What it handed back is
// given by the next.
func TestKept_EndsWhenAStageBelowHasHadEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		var all []sum
		for _, rs := range [][]reading{{{"a", 5, 1}, {"b", 5, 4}, {"a", 65, 2}}, nil, nil} { // all counted before any is given
			out := &collector[flow.Window[string, int]]{}
			p := hours(flow.From(sources.Values(rs...))).KeptIn(store, "w").Agg(zero, plus).Take(1).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.Len(t, out.values(), 1)
			all = append(all, short(out.values())...)
		}
		require.ElementsMatch(t, []sum{{"a", 0, 60, 1, 0, false, false}, {"a", 60, 120, 2, 0, false, false}, {"b", 0, 60, 4, 0, false, false}}, all)
	})
}

// When a run is ended, what failed below is left to the next: while what is below drains, nobody waits for it.
func TestKept_GivesNothingBehindTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, slow := make(chan reading), make(chan struct{})
		var tries atomic.Int32
		p := hours(flow.From(sources.Channel(c).Redeliver(0, nil))).KeptIn(state.NewMemory(), "w").Agg(zero, plus).
			ParMapUnordered(2, func(_ context.Context, w flow.Window[string, int]) (flow.Window[string, int], error) {
				if w.Key == "b" {
					<-slow
					return w, nil
				}
				tries.Add(1)
				return w, errTest
			}).OnError(flow.Nack()).To(&collector[flow.Window[string, int]]{})
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		give(c, reading{"a", 5, 1}, reading{"b", 5, 4}, reading{"a", 65, 2})
		require.Positive(t, tries.Load())
		cancel()
		synctest.Wait()
		before := tries.Load()
		time.Sleep(5 * time.Second)
		after := tries.Load()
		close(slow)
		require.NoError(t, <-ended)
		require.Equal(t, before, after)
	})
}

// A process that has had all its input, and dies with results on their way, is one of those that are waited
// for: the last to end gives them.
func TestKept_GivesWhatOneThatHadEndedHadOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &troubled{Store: state.NewMemory()}
		ctx, cancel := context.WithCancel(t.Context())
		blocked := hours(flow.From(sources.Values(reading{"a", 5, 1}))).KeptIn(store, "w").Agg(zero, plus).
			TryMap(func(ctx context.Context, w flow.Window[string, int]) (flow.Window[string, int], error) {
				<-ctx.Done()
				return w, ctx.Err()
			}).To(&collector[flow.Window[string, int]]{})
		ended := make(chan error)
		go func() { ended <- blocked.Run(ctx, flow.WithDrainTimeout(time.Millisecond)) }()
		time.Sleep(time.Second)
		store.mu.Lock()
		store.crashed = true // it cannot even say that it leaves
		store.mu.Unlock()
		cancel()
		require.Error(t, <-ended)

		out := &collector[flow.Window[string, int]]{}
		p := hours(flow.From(sources.Values[reading]())).KeptIn(store.Store, "w").Agg(zero, plus).To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []sum{{"a", 0, 60, 1, 0, false, false}}, short(out.values()))
	})
}

// rowless is a store that counts the commits that change no row.
type rowless struct {
	state.Store
	commits atomic.Int32
}

func (s *rowless) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	if !slices.ContainsFunc(c.Writes, func(w state.Write) bool { return strings.HasSuffix(w.Table, ".rows") }) {
		s.commits.Add(1)
	}
	return s.Store.Commit(ctx, c)
}

// The end of the input is come to several times, as long as anything may still come of it. What it leaves is
// looked at once, however many keys there are, and what has nothing to give needs no commit.
func TestKept_LooksOnceAtWhatTheEndLeaves(t *testing.T) {
	commits := func(keys int) int32 {
		store := &rowless{Store: state.NewMemory()}
		out := &collector[flow.Window[string, int]]{}
		synctest.Test(t, func(t *testing.T) {
			var all []reading
			for i := range keys {
				all = append(all, reading{fmt.Sprint(i), 5, 1})
			}
			require.NoError(t, hours(flow.From(sources.Values(all...))).KeptIn(store, "w").Agg(zero, plus).To(out).Run(t.Context()))
		})
		require.Len(t, out.values(), keys)
		return store.commits.Load()
	}
	require.InDelta(t, commits(1), commits(10_000), 3, "but for one that tells that the process lives, when that takes long")
}
