package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// reading is a value with a key and a time, in minutes after a day begins.
type reading struct {
	key string
	at  int
	v   int
}

var day = time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return day.Add(time.Duration(n) * time.Minute) }

func (r reading) when() time.Time { return minute(r.at) }

func keyOfReading(r reading) string { return r.key }

func plus(sum int, r reading) int { return sum + r.v }

func zero() int { return 0 }

// byEventTime gives a clock with a disorder of so many minutes.
func byEventTime(outOfOrder int) flow.Clock[reading] {
	return flow.EventTime(reading.when, time.Duration(outOfOrder)*time.Minute)
}

// sum is the result of a window in a short form: times in minutes of the day.
type sum struct {
	key              string
	start, end       int
	v, revision      int
	early, withdrawn bool
}

func short(ws []flow.Window[string, int]) []sum {
	var all []sum
	for _, w := range ws {
		all = append(all, sum{
			w.Key, int(w.Start.Sub(day).Minutes()), int(w.End.Sub(day).Minutes()), w.Value, w.Revision, w.Early, w.Withdrawn,
		})
	}
	return all
}

const hour = time.Hour

// script feeds a pipeline by hand: values, and pauses of virtual time between them.
func script(t *testing.T, build func(flow.Stream[reading]) *flow.Pipeline, steps ...any) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := make(chan reading)
		ended := make(chan error)
		go func() { ended <- build(flow.From(sources.Channel(c))).Run(context.Background()) }()
		for _, s := range steps {
			switch s := s.(type) {
			case reading:
				c <- s
			case time.Duration:
				time.Sleep(s)
			case func():
				synctest.Wait()
				s()
			}
			synctest.Wait()
		}
		close(c)
		require.NoError(t, <-ended)
	})
}

func TestWindow_GivesAResultWhenTheWatermarkHasPassed(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	see := func(want ...sum) func() { return func() { require.Equal(t, want, short(out.values())) } }
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(10)).DropLate().Agg(zero, plus).To(out)
	},
		reading{"a", 5, 1}, reading{"b", 10, 2}, reading{"a", 62, 4}, reading{"a", 59, 8}, see(),
		reading{"b", 69, 16}, see(),
		reading{"a", 70, 32}, see(sum{"a", 0, 60, 9, 0, false, false}, sum{"b", 0, 60, 2, 0, false, false}),
		reading{"b", 59, 64}, // late
	)
	require.Equal(t, []sum{
		{"a", 0, 60, 9, 0, false, false}, {"b", 0, 60, 2, 0, false, false},
		{"a", 60, 120, 36, 0, false, false}, {"b", 60, 120, 16, 0, false, false},
	}, short(out.values()))
}

func TestWindow_CorrectsWhileLatenessAllows(t *testing.T) {
	out, late := &collector[flow.Window[string, int]]{}, &collector[reading]{}
	var p *flow.Pipeline
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		p = s.KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(0)).AllowedLateness(30*time.Minute).
			Late(func(s flow.Stream[reading]) *flow.Pipeline { return s.To(late, flow.As("late")) }).
			Agg(zero, plus).To(out)
		return p
	},
		reading{"a", 5, 1}, reading{"a", 60, 2}, reading{"a", 10, 4}, reading{"a", 11, 8}, time.Second,
		reading{"b", 12, 16},                       // its window gives a first result at once
		reading{"a", 89, 32}, reading{"a", 13, 64}, // the last moment
		reading{"a", 90, 128}, reading{"a", 14, 256}, time.Second,
	)
	require.Equal(t, []sum{
		{"a", 0, 60, 1, 0, false, false}, {"a", 0, 60, 13, 1, false, false},
		{"b", 0, 60, 16, 0, false, false}, {"a", 0, 60, 77, 2, false, false},
		{"a", 60, 120, 162, 0, false, false},
	}, short(out.values()))
	require.Equal(t, []reading{{"a", 14, 256}}, late.values())
	st, _ := p.Snapshot().Stage("window")
	require.EqualValues(t, 1, st.Counters["late"])
}

func TestWindow_DropsAndCountsWhatIsLate(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	var p *flow.Pipeline
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		p = hours(s).Agg(zero, plus).To(out)
		return p
	}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 5, 1}, reading{"a", 60, 2}, reading{"a", 6, 4}, reading{"a", 7, 8})
		require.Equal(t, []bool{true, false, true, true}, outcomes(m))
		close(c)
	}))
	require.Equal(t, []sum{{"a", 0, 60, 1, 0, false, false}, {"a", 60, 120, 2, 0, false, false}}, short(out.values()))
	st, _ := p.Snapshot().Stage("window")
	require.EqualValues(t, 2, st.Counters["late"])
}

func TestWindow_MayGiveEarlyResults(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Tumbling(hour), byEventTime(0)).Early(time.Minute).DropLate().Agg(zero, plus).To(out)
	},
		reading{"a", 5, 1}, reading{"a", 6, 2}, time.Minute, 5*time.Minute, reading{"a", 7, 4}, reading{"b", 8, 8}, time.Minute,
		reading{"a", 61, 16},
	)
	require.Equal(t, []sum{
		{"a", 0, 60, 3, 0, true, false}, {"a", 0, 60, 7, 1, true, false}, {"b", 0, 60, 8, 0, true, false},
		{"a", 0, 60, 7, 2, false, false}, {"b", 0, 60, 8, 1, false, false}, {"a", 60, 120, 16, 0, false, false},
	}, short(out.values()))
}

func TestWindow_SlidesOverValues(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Sliding(30*time.Minute, 10*time.Minute).Offset(5*time.Minute), byEventTime(0)).
			DropLate().Agg(zero, plus).To(out)
	}, reading{"a", 25, 1}, reading{"a", 34, 2}, reading{"a", 35, 4}, reading{"a", 34, 8})
	require.Equal(t, []sum{
		{"a", 5, 35, 3, 0, false, false}, {"a", 15, 45, 15, 0, false, false}, {"a", 25, 55, 15, 0, false, false},
		{"a", 35, 65, 4, 0, false, false},
	}, short(out.values()))
}

func merged(a, b int) int { return a + b }

func TestWindow_MakesOneSessionOfTwo(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Sessions(10*time.Minute), byEventTime(30)).AllowedLateness(hour).
			DropLate().AggMerge(zero, plus, merged).To(out)
	},
		reading{"a", 10, 1}, reading{"a", 25, 2}, reading{"a", 17, 4}, // closes the gap
		reading{"a", 45, 8}, reading{"b", 12, 16},
		reading{"a", 86, 32}, // all of these are complete
		reading{"a", 36, 64}, // reaches the session of 45, and not the one that ends at 35
		time.Second,
		reading{"a", 34, 128}, // closes the gap between both
		time.Second,
	)
	require.Equal(t, []sum{
		{"b", 12, 22, 16, 0, false, false}, {"a", 10, 35, 7, 0, false, false}, {"a", 45, 55, 8, 0, false, false},
		{"a", 45, 55, 0, 1, false, true}, {"a", 36, 55, 72, 1, false, false},
		{"a", 36, 55, 0, 2, false, true}, {"a", 45, 55, 0, 1, false, true}, {"a", 10, 55, 207, 1, false, false},
		{"a", 86, 96, 32, 0, false, false},
	}, short(out.values()))
}

func TestWindow_CountsValues(t *testing.T) {
	out := &collector[flow.Window[string, []reading]]{}
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Counts(2), byEventTime(0)).Collect().To(out)
	}, reading{"a", 9, 1}, reading{"b", 2, 2}, reading{"a", 3, 4}, reading{"a", 1, 8})
	var panes []string
	for _, w := range out.values() {
		panes = append(panes, w.Pane())
	}
	ws := out.values()
	require.Equal(t, []string{"a/1", "a/4", "b/2"}, panes)
	require.Equal(t, []reading{{"a", 9, 1}, {"a", 3, 4}}, ws[0].Value)
	require.Equal(t, []time.Time{minute(3), minute(9)}, []time.Time{ws[0].Start, ws[0].End})
}

func TestWindow_GoesByTheClock(t *testing.T) {
	out := &collector[flow.Window[string, int]]{}
	script(t, func(s flow.Stream[reading]) *flow.Pipeline {
		return s.KeyBy(keyOfReading).Window(flow.Sliding(2*time.Minute, time.Minute), flow.ProcessingTime[reading]()).Agg(zero, plus).To(out)
	},
		30*time.Second, reading{"a", 0, 1}, time.Minute, reading{"a", 0, 2}, time.Hour, reading{"b", 0, 4}, 50*time.Second,
	)
	var at []int
	for _, w := range out.values() {
		at = append(at, w.Value)
	}
	require.Equal(t, []int{1, 3, 2, 4, 4}, at)
	require.Len(t, out.batches[:3], 3, "each when its time had come")
	require.Equal(t, out.values()[0].End, out.times[0].UTC())
}
