package gostreams_test

import (
	"time"

	"github.com/reugn/go-streams"
	streamflow "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

// collected is our windows as a stock flow has them: without keys, as slices.
func collected[T any](windows operators.Windows, clock operators.Clock[T]) streams.Flow {
	w := operators.Windowing[int, T]{Key: func(T) int { return 0 }, Windows: windows, Clock: clock}
	return gostreams.Flow(operators.Aggregate[int, T, []T, operators.Window[int, []T]](w, operators.Collected[T]())).
		Via(gostreams.Flow(operators.Map(valuesOf[T])))
}

func valuesOf[T any](w operators.Window[int, []T]) []T { return w.Value }

// reading has its time, in ms.
type reading struct {
	value string
	at    int
}

func (r reading) when() time.Time { return time.UnixMilli(int64(r.at)) }

// In a pipeline a stock window begins with the first value, by itself when it is made: the scripts are
// such that this makes no difference.
func windows() []behaviour {
	a, b, c, d := reading{"a", 2}, reading{"b", 17}, reading{"c", 26}, reading{"d", 35}
	e, f, g, h := reading{"e", 77}, reading{"f", 93}, reading{"g", 118}, reading{"h", 140}
	newTumbling := func() streams.Flow { return streamflow.NewTumblingWindow[int](ms(20)) }
	newSessions := func() streams.Flow { return streamflow.NewSessionWindow[int](ms(20)) }
	newSliding := func() streams.Flow { return streamflow.NewSlidingWindow[int](ms(50), ms(20)) }
	newSlidingEvents := func() streams.Flow {
		return streamflow.NewSlidingWindowWithOpts(ms(50), ms(20), streamflow.SlidingWindowOpts[reading]{EventTimeExtractor: reading.when})
	}
	sessions := func() streams.Flow { return collected(operators.Sessions(ms(20)), operators.ProcessingTime[int]()) }
	return []behaviour{
		{
			name: "tumbling windows", in: []any{ms(5), 1, ms(7), 2, ms(18), 3, ms(7), 4, ms(18), 5},
			want:  []any{[]int{1, 2}, []int{3, 4}, []int{5}},
			stock: newTumbling,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, []int](newTumbling)),
				"enveloped": by(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
					return streamflow.NewTumblingWindow[*delivery](ms(20))
				})),
			},
			ours: func() streams.Flow { return collected(operators.Tumbling(ms(20)), operators.ProcessingTime[int]()) },
		}, {
			name: "sessions", in: []any{1, 2, 3, ms(30), 4, ms(40), 5, ms(30)},
			want:  []any{[]int{1, 2, 3}, []int{4}, []int{5}},
			stock: newSessions,
			inside: map[string]transform{
				"at most once": by(gostreams.AtMostOnce[int, []int](newSessions)),
				"enveloped": by(gostreams.EnvelopedBatches[int, []int](func() streams.Flow {
					return streamflow.NewSessionWindow[*delivery](ms(20))
				})),
			},
			ours: sessions,
		}, {
			name: "a long session", in: []any{1, ms(10), 2, ms(10), 3, ms(10), 4, ms(50), 5},
			want:   []any{[]int{1, 2, 3, 4}, []int{5}},
			stock:  newSessions,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, []int](newSessions))},
			ours:   sessions,
		}, {
			name: "sliding windows", in: []any{ms(5), 1, ms(20), 2, ms(20), 3, ms(20), 4, ms(20), 5},
			want:   []any{[]int{1, 2, 3}, []int{2, 3, 4}, []int{3, 4, 5}},
			whole:  []any{[]int{1}, []int{1, 2}, []int{1, 2, 3}, []int{2, 3, 4}, []int{3, 4, 5}, []int{4, 5}, []int{5}},
			stock:  newSliding,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[int, []int](newSliding))},
			ours: func() streams.Flow {
				return collected(operators.Sliding(ms(50), ms(20)), operators.ProcessingTime[int]())
			},
		}, {
			name: "sliding windows of event time",
			in: []any{
				a, b, c, d, f, e, g, ms(140), h, ms(110),
			},
			want:   []any{[]reading{a, b, c, d}, []reading{c, d}, []reading{e}, []reading{e, f}, []reading{f, g}, []reading{g, h}, []reading{h}},
			whole:  []any{[]reading{a}, []reading{a, b, c}, []reading{a, b, c, d}, []reading{c, d}, []reading{e}, []reading{f, e}, []reading{f, g}, []reading{g, h}, []reading{h}, []reading{h}},
			stock:  newSlidingEvents,
			inside: map[string]transform{"at most once": by(gostreams.AtMostOnce[reading, []reading](newSlidingEvents))},
			ours: func() streams.Flow {
				return collected(operators.Sliding(ms(50), ms(20)), operators.EventTime(reading.when, ms(20)))
			},
		},
	}
}
