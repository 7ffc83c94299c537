package flow_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sources"
)

// event is a value of a generated stream: number tells it from all others.
type event struct {
	number int
	key    string
	part   string
	at     int // seconds
}

// epoch is what windows are aligned to.
var epoch = time.Unix(0, 0)

func (e event) when() time.Time { return epoch.Add(time.Duration(e.at) * time.Second) }

// design is a generated stream with windows over it.
type design struct {
	seed       uint64
	events     []event
	windows    flow.Windows
	size       int // seconds; of sessions the gap
	every      int // 0: sessions
	outOfOrder int
	lateness   int
}

// newDesign makes streams of partitions that are out of order within a bound. If late events are asked
// for, each partition advances at its own speed, and some events are later still; else the partitions
// advance together, so that none is late although a partition begins late.
func newDesign(seed uint64, late bool) design {
	r := rand.New(rand.NewPCG(seed, 1))
	d := design{seed: seed, outOfOrder: r.IntN(40), lateness: r.IntN(3) * 30, size: 20 + 10*r.IntN(5)}
	switch r.IntN(3) {
	case 0:
		d.every = d.size
		d.windows = flow.Tumbling(secs(d.size))
	case 1:
		d.every = max(5, d.size/(2+r.IntN(3)))
		d.windows = flow.Sliding(secs(d.size), secs(d.every))
	default:
		d.size = 5 + r.IntN(10)
		d.windows = flow.Sessions(secs(d.size))
	}
	now := make([]int, 1+r.IntN(3))
	for i := range 40 + r.IntN(200) {
		p := r.IntN(len(now))
		own := p
		if !late {
			own = 0
		}
		now[own] += r.IntN(12)
		at := now[own] - r.IntN(d.outOfOrder+1)
		if late && r.IntN(8) == 0 {
			at -= r.IntN(200)
		}
		d.events = append(d.events, event{i, string(rune('a' + r.IntN(4))), fmt.Sprint(p), max(0, at)})
	}
	return d
}

func secs(n int) time.Duration { return time.Duration(n) * time.Second }

// span is a window of a key, in seconds.
type span struct {
	key        string
	start, end int
}

// spans gives the aligned windows of an event, by trying all.
func (d design) spans(e event) []span {
	var all []span
	for start := -2 * d.size / d.every * d.every; start <= e.at; start += d.every {
		if e.at < start+d.size {
			all = append(all, span{e.key, start, start + d.size})
		}
	}
	return all
}

// expected is the reference: sort, then group. It gives the numbers of the events of each window.
func (d design) expected(events []event) map[span][]int {
	groups := make(map[span][]int)
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b event) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	if d.every > 0 {
		for _, e := range sorted {
			for _, s := range d.spans(e) {
				groups[s] = append(groups[s], e.number)
			}
		}
	} else {
		for i := 0; i < len(sorted); {
			n := i + 1
			for n < len(sorted) && sorted[n].key == sorted[i].key && sorted[n].at < sorted[n-1].at+d.size {
				n++
			}
			s := span{sorted[i].key, sorted[i].at, sorted[n-1].at + d.size}
			for _, e := range sorted[i:n] {
				groups[s] = append(groups[s], e.number)
			}
			i = n
		}
	}
	for _, g := range groups {
		slices.Sort(g)
	}
	return groups
}

// onTime is the reference for lateness: event by event, with the watermark that those before it made.
// Of an event that some of its windows take, only those have it.
func (d design) onTime() (taken map[span][]int, late []int) {
	taken = make(map[span][]int)
	mark, newest := -1<<30, map[string]int{}
	for _, e := range d.events {
		in := false
		for _, s := range d.spans(e) {
			if s.end+d.lateness > mark {
				taken[s] = append(taken[s], e.number)
				in = true
			}
		}
		if !in {
			late = append(late, e.number)
		}
		if at, ok := newest[e.part]; !ok || e.at > at {
			newest[e.part] = e.at
		}
		mark = max(mark, slices.Min(slices.Collect(maps.Values(newest)))-d.outOfOrder)
	}
	return taken, late
}

// table is a sink that upserts by pane, as a table in a database would.
type table struct {
	collector[flow.Window[string, []event]]
}

// rows gives the numbers of the events of each window, as they are in the end.
func (s *table) rows(t *testing.T) map[span][]int {
	t.Helper()
	last := make(map[string]flow.Window[string, []event])
	for _, w := range s.values() {
		require.False(t, w.Early)
		if old, ok := last[w.Pane()]; !ok || w.Revision >= old.Revision {
			last[w.Pane()] = w
		}
	}
	rows := make(map[span][]int)
	for _, w := range last {
		if w.Withdrawn {
			continue
		}
		k := span{w.Key, int(w.Start.Sub(epoch).Seconds()), int(w.End.Sub(epoch).Seconds())}
		require.NotContains(t, rows, k)
		for _, e := range w.Value {
			rows[k] = append(rows[k], e.number)
		}
		slices.Sort(rows[k])
	}
	return rows
}

func (d design) windowed(s flow.Stream[event]) flow.Windowed[string, event] {
	return s.KeyBy(func(e event) string { return e.key }).
		Window(d.windows, flow.EventTime(event.when, secs(d.outOfOrder))).AllowedLateness(secs(d.lateness))
}

func (d design) source() *sources.Memory[event] {
	return sources.Slice(d.events).Partition(func(e event) string { return e.part }).ReadSize(7)
}

// Windows and the stream of the late are what sorting and grouping gives, event by event.
func TestWindow_EqualsSortingAndGrouping(t *testing.T) {
	for seed := range uint64(300) {
		d := newDesign(seed, true)
		if d.every == 0 {
			continue // late sessions: see below
		}
		out, late := &table{}, &collector[event]{}
		p := d.windowed(flow.From(d.source())).
			Late(func(s flow.Stream[event]) *flow.Pipeline { return s.To(late) }).Collect().To(out)
		require.NoError(t, p.Run(t.Context()))
		taken, lates := d.onTime()
		require.Equal(t, taken, out.rows(t), "seed %d", seed)
		var got []int
		for _, e := range late.values() {
			got = append(got, e.number)
		}
		require.Equal(t, lates, got, "seed %d", seed)
	}
}

// Sessions are what sorting and grouping gives of all that was not late: each correction that joins or
// moves one withdraws what was there.
func TestWindow_SessionsEqualSortingAndGrouping(t *testing.T) {
	corrected := 0
	for seed := range uint64(300) {
		d := newDesign(seed, true)
		d.windows, d.every, d.lateness = flow.Sessions(secs(d.size)), 0, 300
		out, late := &table{}, &collector[event]{}
		p := d.windowed(flow.From(d.source())).
			Late(func(s flow.Stream[event]) *flow.Pipeline { return s.To(late) }).Collect().To(out)
		require.NoError(t, p.Run(t.Context()))
		require.Empty(t, late.values())
		require.Equal(t, d.expected(d.events), out.rows(t), "seed %d", seed)
		for _, w := range out.values() {
			if w.Withdrawn {
				corrected++
			}
		}
	}
	require.Greater(t, corrected, 20)
}

// trouble is what goes wrong in a run: stages above fail, and are tried again or not, writes fail, and
// the stream takes so long that leases end. It depends on the seed and on what it befalls alone, so that
// the order of goroutines changes nothing.
type trouble struct{ seed uint64 }

// one is true for one of so many things.
func (tr trouble) one(in int, of string, number int) bool {
	return randpipe.Mix(tr.seed, randpipe.Hash(of), uint64(number))%uint64(in) == 0
}

// once gives a function of a stage that fails for some events, once for each.
func (tr trouble) once(in int, of string) func(context.Context, event) (event, error) {
	failed := make(map[int]bool)
	return func(_ context.Context, e event) (event, error) {
		if !failed[e.number] && tr.one(in, of, e.number) {
			failed[e.number] = true
			return e, errTest
		}
		return e, nil
	}
}

// writes gives what a sink does before it writes: for some results it fails, the first time or two.
func (tr trouble) writes() func(context.Context, []flow.Window[string, []event]) error {
	tries := make(map[string]int)
	return func(_ context.Context, ws []flow.Window[string, []event]) error {
		for _, w := range ws {
			tries[w.Pane()]++
			if n := tries[w.Pane()]; n <= 2 && tr.one(3, w.Pane(), n) {
				return errTest
			}
		}
		return nil
	}
}

// Whatever fails and comes again: nothing is late by that, nothing counts twice, each pane has the right
// value in the end, and each record is done.
func TestWindow_IsRightWhateverComesAgain(t *testing.T) {
	again := int64(0)
	back := int64(0)
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			d := newDesign(seed, false)
			tr, pause := trouble{seed}, rand.New(rand.NewPCG(seed, 2))
			c := make(chan event)
			src := sources.Channel(c).Partition(func(e event) string { return e.part }).
				Redeliver(0, func(int) time.Duration { return time.Duration(1+seed%40) * time.Second })
			slow := seed%2 == 0
			if slow {
				src.WithLease(2 * time.Minute)
			}
			out := &table{}
			out.before = tr.writes()
			// Each event is tried again here at most once, and delivered again at most once.
			s := flow.From(src).TryMap(tr.once(6, "retried")).OnError(flow.Retry(1, seconds(20))).TryMap(tr.once(6, "handed back")).OnError(flow.Nack())
			late := &collector[event]{}
			p := d.windowed(s).Late(func(s flow.Stream[event]) *flow.Pipeline { return s.To(late) }).Collect().To(out)
			ended := make(chan error)
			go func() { ended <- p.Run(t.Context()) }()
			for _, e := range d.events {
				c <- e
				if slow {
					time.Sleep(time.Duration(pause.IntN(8)) * time.Second)
				}
			}
			close(c)
			require.NoError(t, <-ended)
			require.Empty(t, late.values(), "seed %d", seed)
			require.Equal(t, d.expected(d.events), out.rows(t), "seed %d", seed)
			for _, o := range src.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			st, _ := p.Snapshot().Stage("window")
			again += st.Counters["again"]
			back += st.Counters["handed_back"]
		})
	}
	require.Greater(t, again, int64(3000))
	require.Greater(t, back, int64(800))
}
