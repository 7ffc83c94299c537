// Package windowmodel draws streams of events with windows over them that processes of a group share,
// runs them against a store, and says what the windows should come to: by sorting the events, and
// grouping them. It is for the tests of stores, which differ in what can happen to them.
package windowmodel

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/state"
)

// Event is a value. Its number tells it from all others.
type Event struct {
	Number int
	Key    string
	Part   string
	At     int // seconds
}

// epoch is what windows are aligned to.
var epoch = time.Unix(0, 0)

// When is when the event happened.
func (e Event) When() time.Time { return epoch.Add(seconds(e.At)) }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// Model is a stream of events, and windows over it.
type Model struct {
	Seed   uint64
	Events []Event

	windows    flow.Windows
	size       int // seconds; of sessions the gap
	every      int // seconds; 0: sessions
	outOfOrder int
	lateness   int
}

// Draw draws so many events of two partitions that advance together, and are out of order within a bound.
// The windows allow for slack more, by which processes that take events of one partition may be apart.
func Draw(seed uint64, events int, slack time.Duration) Model {
	r := rand.New(rand.NewPCG(seed, 1))
	disorder := r.IntN(40)
	m := Model{Seed: seed, outOfOrder: disorder + int(slack/time.Second), lateness: r.IntN(3) * 30, size: 20 + 10*r.IntN(5)}
	switch r.IntN(3) {
	case 0:
		m.every = m.size
		m.windows = flow.Tumbling(seconds(m.size))
	case 1:
		m.every = max(5, m.size/(2+r.IntN(3)))
		m.windows = flow.Sliding(seconds(m.size), seconds(m.every))
	default:
		m.size = 5 + r.IntN(10)
		m.windows = flow.Sessions(seconds(m.size))
	}
	now := 0
	for i := range events {
		now += r.IntN(12)
		m.Events = append(m.Events, Event{i, string(rune('a' + r.IntN(4))), fmt.Sprint(r.IntN(2)), max(0, now-r.IntN(disorder+1))})
	}
	return m
}

// Pipeline is what one process runs: its share of the events, in windows that are in its store, of which
// each gives the numbers of its events. Late gets the events that are late.
func (m Model) Pipeline(g *Group, p *Process, store state.Store, out *Table, late *Late, opts ...flow.KeepOption) *flow.Pipeline {
	add := func(all []int, e Event) []int { return append(slices.Clip(all), e.Number) }
	join := func(all, more []int) []int { return slices.Concat(all, more) }
	return flow.From(g.Member(p)).TryMap(p.failsOnce()).KeyBy(func(e Event) string { return e.Key }).
		Window(m.windows, flow.EventTime(Event.When, seconds(m.outOfOrder))).AllowedLateness(seconds(m.lateness)).
		KeptIn(p.Store(store), "events", opts...).
		Late(func(s flow.Stream[Event]) *flow.Pipeline { return s.To(late.of(p)) }).
		AggMerge(func() []int { return nil }, add, join).To(out.of(p))
}

// Span is a window of a key, in seconds.
type Span struct {
	Key        string
	Start, End int
}

// Expected is the reference: sort, then group. It gives the numbers of the events of each window.
func (m Model) Expected() map[Span][]int {
	groups := make(map[Span][]int)
	if m.every > 0 {
		m.align(groups)
	} else {
		m.sessions(groups)
	}
	for _, g := range groups {
		slices.Sort(g)
	}
	return groups
}

// align puts each event into the windows that it is in, by trying all.
func (m Model) align(groups map[Span][]int) {
	for _, e := range m.Events {
		for start := -2 * m.size / m.every * m.every; start <= e.At; start += m.every {
			if e.At < start+m.size {
				s := Span{e.Key, start, start + m.size}
				groups[s] = append(groups[s], e.Number)
			}
		}
	}
}

// sessions makes a session of the events of a key that are closer to each other than the gap.
func (m Model) sessions(groups map[Span][]int) {
	sorted := slices.Clone(m.Events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.At, b.At)) })
	for i := 0; i < len(sorted); {
		n := i + 1
		for n < len(sorted) && sorted[n].Key == sorted[i].Key && sorted[n].At < sorted[n-1].At+m.size {
			n++
		}
		s := Span{sorted[i].Key, sorted[i].At, sorted[n-1].At + m.size}
		for _, e := range sorted[i:n] {
			groups[s] = append(groups[s], e.Number)
		}
		i = n
	}
}
