package flow_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// hours are windows of an hour, in order, without late values.
func hours(s flow.Stream[reading]) flow.Windowed[string, reading] {
	return s.KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(0)).DropLate()
}

// feed runs a pipeline on a channel source that redelivers, and gives the test the channel.
func feed(t *testing.T, src func(*sources.Memory[reading]), build func(flow.Stream[reading]) *flow.Pipeline,
	test func(c chan<- reading, m *sources.Memory[reading], cancel func())) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := make(chan reading)
		m := sources.Channel(c).Redeliver(0, nil)
		if src != nil {
			src(m)
		}
		ended := make(chan error)
		go func() { ended <- build(flow.From(m)).Run(ctx) }()
		test(c, m, cancel)
		err = <-ended
	})
	return err
}

// give feeds values, and waits until what comes of them has come.
func give(c chan<- reading, rs ...reading) {
	for _, r := range rs {
		c <- r
	}
	time.Sleep(time.Second)
	synctest.Wait()
}

func outcomes[T any](m *sources.Memory[T]) (done []bool) {
	for _, o := range m.Outcomes() {
		done = append(done, o.Done)
	}
	return done
}

// Rule 3: a record is done with the last of its windows, and not with an early result.
func TestWindow_HoldsARecordUntilAllItsResultsAreSafe(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Sliding(hour, 30*time.Minute), byEventTime(0)).
			Early(time.Minute).DropLate().Agg(zero, plus).To(out)
	}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 5, 1}, reading{"a", 40, 2}, reading{"a", 20, 4})
		time.Sleep(5 * time.Minute)
		require.NotEmpty(t, out.values(), "early results")
		require.Equal(t, []bool{false, false, false}, outcomes(m))
		give(c, reading{"a", 61, 8})
		require.Equal(t, []bool{true, false, true, false}, outcomes(m))
		give(c, reading{"a", 90, 16})
		require.Equal(t, []bool{true, true, true, false, false}, outcomes(m))
		close(c)
	}))
}

// A window longer than a lease: its records come again and again, and each counts once.
func TestWindow_HandsBackWhatTheLeaseDoesNotLeaveTimeFor(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	var p *flow.Pipeline
	require.NoError(t, feed(t, func(m *sources.Memory[reading]) { m.WithLease(time.Minute) },
		func(s flow.Stream[reading]) *flow.Pipeline {
			p = hours(s).Agg(zero, plus).To(out)
			return p
		}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
			give(c, reading{"a", 5, 1}, reading{"b", 6, 2})
			time.Sleep(10 * time.Minute)
			give(c, reading{"a", 7, 4})
			time.Sleep(10 * time.Minute)
			require.Empty(t, out.values())
			for _, o := range m.Outcomes() {
				require.False(t, o.Done)
				require.Greater(t, o.HandedBack, 10)
				require.Equal(t, 1, o.Attempts, "no lease has ended")
			}
			give(c, reading{"a", 61, 8})
			require.Equal(t, []sum{{"a", 0, 60, 5, 0, false, false}, {"b", 0, 60, 2, 0, false, false}}, short(out.values()))
			require.Equal(t, []bool{true, true, true, false}, outcomes(m))
			close(c)
		}))
	st, _ := p.Snapshot().Stage("window")
	require.Equal(t, st.Counters["handed_back"], st.Counters["again"])
}

// What a sink did not take comes again, and with it the result of the pane, with the same value.
func TestWindow_GivesAResultAgainThatWasNotWritten(t *testing.T) {
	var fails atomic.Int32
	fails.Store(3)
	out := &collector[flow.Window[string, int]]{before: func(context.Context, []flow.Window[string, int]) error {
		if fails.Add(-1) >= 0 {
			return errTest
		}
		return nil
	}}
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline { return hours(s).Agg(zero, plus).To(out) },
		func(c chan<- reading, m *sources.Memory[reading], _ func()) {
			give(c, reading{"a", 5, 1}, reading{"a", 6, 2}, reading{"a", 60, 4})
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, []sum{{"a", 0, 60, 3, 3, false, false}}, short(out.values()))
			require.Equal(t, []bool{true, true, false}, outcomes(m))
			require.Equal(t, 4, m.Outcomes()[0].Attempts)
			close(c)
		}))
}

// An incomplete window has no right result: when the run ends it goes back, and the next run has it.
func TestWindow_HandsBackIncompleteWindowsWhenTheRunEnds(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	build := func(s flow.Stream[reading]) *flow.Pipeline { return hours(s).Agg(zero, plus).To(out) }
	require.NoError(t, feed(t, nil, build, func(c chan<- reading, m *sources.Memory[reading], cancel func()) {
		give(c, reading{"a", 5, 1}, reading{"a", 60, 2})
		cancel()
		synctest.Wait()
		require.Equal(t, []bool{true, false}, outcomes(m))
		require.Equal(t, 1, m.Outcomes()[1].HandedBack)
	}))
	require.Equal(t, []sum{{"a", 0, 60, 1, 0, false, false}}, short(out.values()))

	first := &collector[flow.Window[string, int]]{}
	p := hours(flow.From(sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2}, reading{"a", 7, 4})).Take(2)).Agg(zero, plus).To(first)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []sum{{"a", 0, 60, 3, 0, false, false}}, short(first.values()), "where Take ends the input, that is complete")
}

// Several values of one record count each, and once.
func TestWindow_TellsTheValuesOfARecordApart(t *testing.T) {
	var fails atomic.Int32
	fails.Store(1)
	out := &collector[flow.Window[string, int]]{before: func(context.Context, []flow.Window[string, int]) error {
		if fails.Add(-1) >= 0 {
			return errTest
		}
		return nil
	}}
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		return hours(s.FlatMap(func(r reading) []reading { return []reading{r, {r.key, r.at, 10 * r.v}, {"b", r.at, r.v}} })).
			Agg(zero, plus).To(out)
	}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 5, 1}, reading{"a", 6, 2}, reading{"a", 60, 4})
		last := map[string]int{}
		for _, w := range out.values() {
			last[w.Key] = w.Value
		}
		require.Equal(t, map[string]int{"a": 33, "b": 3}, last)
		require.Equal(t, []bool{true, true, false}, outcomes(m))
		close(c)
	}))
}

// Values with one identity count once, whatever record they are of.
func TestWindow_CountsAnIdentityOnce(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	src := sources.Values(reading{"a", 5, 1}, reading{"a", 5, 1}, reading{"a", 6, 2}).Redeliver(0, nil)
	s := flow.Flatten(flow.From(src).Batch(2, time.Second))
	p := hours(s).Identify(func(r reading) string { return strings.Repeat("x", r.v) }).Agg(zero, plus).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []sum{{"a", 0, 60, 3, 0, false, false}}, short(out.values()))
	for _, o := range src.Outcomes() {
		require.True(t, o.Done)
	}
}

// A function that panics leaves the windows as they were, also where it has been called for some of them.
func TestWindow_IsLeftAloneByAPanic(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	calls := 0
	s := flow.From(sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2})).OnError(flow.Retry(1, nil))
	p := s.KeyBy(keyOfReading).Window(flow.Sliding(hour, 30*time.Minute), byEventTime(0)).DropLate().
		Agg(zero, func(sum int, r reading) int {
			if calls++; calls == 4 {
				panic("the second window of the second value")
			}
			return plus(sum, r)
		}).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []sum{{"a", -30, 30, 3, 0, false, false}, {"a", 0, 60, 3, 0, false, false}}, short(out.values()))
}

// A key's function that panics fails its own record, and none of those that were read with it.
func TestWindow_CountsTheRestOfAReadWhereAKeyPanics(t *testing.T) {
	for bad := range 40 {
		var values []reading
		for i := range 40 {
			values = append(values, reading{[]string{"a", "b"}[i%2], i / 2, 1})
		}
		values[bad].key = "bad"
		out := &collector[flow.Window[string, int]]{}
		src := sources.Values(values...)
		p := flow.From(src).OnError(flow.Skip()).KeyBy(func(r reading) string {
			if r.key == "bad" {
				panic("no key")
			}
			return r.key
		}).Window(flow.Tumbling(hour), byEventTime(0)).DropLate().Agg(zero, plus).To(out)
		require.NoError(t, p.Run(t.Context()))
		ws := short(out.values())
		require.Len(t, ws, 2)
		require.Equal(t, 39, ws[0].v+ws[1].v, "bad %d", bad)
	}
}

func TestWindow_IsValidated(t *testing.T) {
	s := flow.From(sources.Values(reading{}))
	keyed := s.KeyBy(keyOfReading)
	ok := keyed.Window(flow.Tumbling(hour), byEventTime(0)).DropLate()
	to := func(s flow.Stream[flow.Window[string, int]]) error {
		return s.To(&collector[flow.Window[string, int]]{}).Validate()
	}
	late := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}) }
	require.NoError(t, to(ok.Agg(zero, plus)))
	for want, bad := range map[string]flow.Windowed[string, reading]{
		`stage "hourly" at window_held_test.go`: keyed.Window(flow.Tumbling(hour), byEventTime(0)).Named("hourly"),
		"call DropLate to drop and count them":  keyed.Window(flow.Tumbling(hour), byEventTime(0)),
		"both dropped and given a stream":       ok.Late(late),
		"the function gave no pipeline":         keyed.Window(flow.Tumbling(hour), byEventTime(0)).Late(func(flow.Stream[reading]) *flow.Pipeline { return nil }),
		"sessions can become one":               keyed.Window(flow.Sessions(hour), byEventTime(0)).DropLate(),
		"the time must be above 0":              keyed.Window(flow.Tumbling(0), byEventTime(0)).Late(late),
		"at least as often as they are long":    keyed.Window(flow.Sliding(hour, 2*hour), byEventTime(0)).DropLate(),
		"at most 10000 may overlap":             keyed.Window(flow.Sliding(hour, time.Millisecond), byEventTime(0)).DropLate(),
		"they are not aligned":                  keyed.Window(flow.Counts(1).Offset(1), byEventTime(0)),
		"at least 1 value":                      keyed.Window(flow.Counts(0), byEventTime(0)),
		"no windows: make them with":            keyed.Window(flow.Windows{}, byEventTime(0)).DropLate(),
		"neither may be negative":               keyed.Window(flow.Tumbling(hour), byEventTime(-1)).DropLate(),
		"none may be negative":                  ok.Early(-1),
		"nothing is late by processing time":    keyed.Window(flow.Tumbling(hour), flow.ProcessingTime[reading]()).AllowedLateness(1),
		"a function is missing":                 s.KeyBy[string](nil).Window(flow.Tumbling(hour), byEventTime(0)).DropLate(),
	} {
		err := to(bad.Agg(zero, plus))
		require.ErrorContains(t, err, want)
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "once: %v", err)
	}
	of := func(src *sources.Memory[reading]) error { return to(hours(flow.From(src)).Agg(zero, plus)) }
	require.ErrorContains(t, of(sources.Values(reading{}).Keyed(keyOfReading)), "orders by key")
	require.NoError(t, of(sources.Values(reading{}).WithLease(time.Minute)))
	require.ErrorContains(t, to(hours(flow.From(sources.Values(reading{}).WithLease(time.Minute))).HoldFor(time.Minute).Agg(zero, plus)),
		"at most 48s may be spent waiting")
	batched := flow.Flatten(flow.From(sources.Values(reading{}).Redeliver(0, nil)).Batch(2, 0))
	require.ErrorContains(t, to(hours(batched).Agg(zero, plus)), `but stage "batch" above it makes one record of several`)
}

func TestExplain_ShowsWindows(t *testing.T) {
	late := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}, flow.As("too late")) }
	p := flow.From(sources.Values(reading{}).WithLease(time.Hour)).KeyBy(keyOfReading).
		Window(flow.Sliding(hour, 10*time.Minute), byEventTime(5)).Named("hourly").
		AllowedLateness(2*hour).Early(time.Minute).Late(late).Agg(zero, plus).To(&collector[flow.Window[string, int]]{}, flow.As("table"))
	text := p.Explain()
	for _, want := range []string{
		"hourly; from s1; keeps order; fused; settles when the result of each of its windows is safe; sliding 1h0m0s every 10m0s by event time, 5m0s out of order; allowed lateness 2h0m0s; early results every 1m0s",
		"keeps windows in this process, which must be the only one of its group",
		"late values have a stream of their own", "holds records for as long as their lease leaves: 48m0s", "lease 1h0m0s, held for at most 48m0s of the 48m0s it leaves",
		"table; from s2 (results)", "too late; from s2 (late)",
	} {
		require.Contains(t, text, want)
	}
}

// A lease does not keep a source from reading what a window has yet to hold.
func TestWindow_HoldsMoreThanIsInFlightOtherwise(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	require.NoError(t, feed(t, func(m *sources.Memory[reading]) { m.WithLease(hour) },
		func(s flow.Stream[reading]) *flow.Pipeline { return hours(s).Agg(zero, plus).To(out) },
		func(c chan<- reading, m *sources.Memory[reading], _ func()) {
			for range 500 {
				c <- reading{"a", 5, 1}
			}
			give(c, reading{"a", 60, 1})
			require.Equal(t, []sum{{"a", 0, 60, 500, 0, false, false}}, short(out.values()))
			for _, o := range m.Outcomes() {
				require.Zero(t, o.HandedBack)
			}
			close(c)
		}))
}

// A dead letter of a result tells of the records that are in it, and of nothing else.
func TestWindow_DeadLettersTheMembersOfAResult(t *testing.T) {
	dead := &collector[flow.Failure]{}
	fails := func(context.Context, flow.Window[string, int]) (int, error) { return 0, errTest }
	src := sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2}, reading{"b", 7, 4}).Redeliver(0, nil)
	p := hours(flow.From(src)).Agg(zero, plus).TryMap(fails).OnError(flow.DeadLetter(dead)).To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	var all []any
	for _, f := range dead.values() {
		all = append(all, f.Sources...)
	}
	require.ElementsMatch(t, []any{reading{"a", 5, 1}, reading{"a", 6, 2}, reading{"b", 7, 4}}, all)
	require.Equal(t, []bool{true, true, true}, outcomes(src))
}
