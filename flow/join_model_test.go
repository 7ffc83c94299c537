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
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// answer is a value of the right stream of a join.
type answer struct{ event }

type eitherEvent = operators.Either[event, answer]

// couple is what comes of a join: the numbers of both events, -1 for none.
type couple struct{ left, right int }

// meeting is two generated streams that are joined.
type meeting struct {
	events        []eitherEvent // of both streams, in the order in which they come
	before, after int           // seconds
	outOfOrder    [2]int
	kind          operators.JoinKind
}

func eventOf(e eitherEvent) event {
	if e.IsRight {
		return e.Right.event
	}
	return e.Left
}

// newMeeting makes streams that are out of order within a bound. If late events are asked for, the streams
// and their partitions advance at their own speeds, and some events are later still; else all advance
// together, so that none is late.
func newMeeting(seed uint64, late bool) meeting {
	r := rand.New(rand.NewPCG(seed, 7))
	ooo := r.IntN(30)
	m := meeting{before: r.IntN(60) - 15, outOfOrder: [2]int{ooo, ooo}, kind: operators.JoinKind(r.IntN(3))}
	m.after = max(-m.before, r.IntN(60)-15)
	if late {
		m.outOfOrder[1] = r.IntN(30)
	}
	now := make([][2]int, 1+r.IntN(3))
	for i := range 40 + r.IntN(160) {
		side, p := r.IntN(2), r.IntN(len(now))
		clock := &now[0][0]
		if late {
			clock = &now[p][side]
		}
		*clock += r.IntN(12)
		at := *clock - r.IntN(m.outOfOrder[side]+1)
		if late && r.IntN(8) == 0 {
			at -= r.IntN(100)
		}
		e := event{i, string(rune('a' + r.IntN(3))), fmt.Sprint(p), max(0, at)}
		if side == 1 {
			m.events = append(m.events, eitherEvent{Right: answer{e}, IsRight: true})
		} else {
			m.events = append(m.events, eitherEvent{Left: e})
		}
	}
	return m
}

// onTime is the reference for lateness: event by event, with the watermark that those before it made.
func (m meeting) onTime() (taken []eitherEvent, late []int) {
	mark, newest := -1<<30, [2]map[string]int{{}, {}}
	for _, either := range m.events {
		e, side := eventOf(either), 0
		if either.IsRight {
			side = 1
		}
		if e.at < mark {
			late = append(late, e.number)
		} else {
			taken = append(taken, either)
		}
		if at, ok := newest[side][e.part]; !ok || e.at > at {
			newest[side][e.part] = e.at
		}
		least := 1 << 30
		for s, parts := range newest {
			if len(parts) == 0 {
				least = mark
			} else {
				least = min(least, slices.Min(slices.Collect(maps.Values(parts)))-m.outOfOrder[s])
			}
		}
		mark = max(mark, least)
	}
	return taken, late
}

// expected is the reference: a nested loop over all events.
func (m meeting) expected(events []eitherEvent) []couple {
	var all []couple
	matched := make(map[int]bool)
	for _, l := range events {
		for _, r := range events {
			if l.IsRight || !r.IsRight || l.Left.key != r.Right.key {
				continue
			}
			if d := r.Right.at - l.Left.at; -m.before <= d && d <= m.after {
				all = append(all, couple{l.Left.number, r.Right.number})
				matched[l.Left.number], matched[r.Right.number] = true, true
			}
		}
	}
	for _, e := range events {
		switch {
		case matched[eventOf(e).number]:
		case e.IsRight && m.kind == operators.OuterJoin:
			all = append(all, couple{-1, e.Right.number})
		case !e.IsRight && m.kind != operators.InnerJoin:
			all = append(all, couple{e.Left.number, -1})
		}
	}
	return sorted(all)
}

func sorted(all []couple) []couple {
	slices.SortFunc(all, func(a, b couple) int {
		return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(a.right, b.right))
	})
	return all
}

func joinedOuter(l *event, r *answer) couple {
	c := couple{-1, -1}
	if l != nil {
		c.left = l.number
	}
	if r != nil {
		c.right = r.number
	}
	return c
}

func joinedLeft(l event, r *answer) couple { return joinedOuter(&l, r) }
func joinedInner(l event, r answer) couple { return joinedOuter(&l, &r) }

func keyOfEvent(e event) string   { return e.key }
func keyOfAnswer(a answer) string { return a.key }

func (m meeting) joining() operators.Joining[string, event, answer] {
	return operators.Joining[string, event, answer]{
		LeftKey: keyOfEvent, RightKey: keyOfAnswer, Kind: m.kind, Within: flow.Within(secs(m.before), secs(m.after)),
		LeftClock:  flow.EventTime(event.when, secs(m.outOfOrder[0])).Idle(0),
		RightClock: flow.EventTime(answer.when, secs(m.outOfOrder[1])).Idle(0),
	}
}

// Results and late values are what a nested loop over all events gives.
func TestJoin_EqualsTheNestedLoop(t *testing.T) {
	lates := 0
	for seed := range uint64(300) {
		m := newMeeting(seed, true)
		out := &collector[operators.JoinResult[event, answer, couple]]{}
		src := sources.Slice(m.events).Partition(func(e eitherEvent) string { return eventOf(e).part }).ReadSize(7)
		p := flow.From(src).Via(operators.JoinOrLate(m.joining(), joinedOuter, true, true)).To(out)
		require.NoError(t, p.Run(t.Context()))
		var got []couple
		var late []int
		for _, r := range out.values() {
			switch {
			case r.LateLeft != nil:
				late = append(late, r.LateLeft.number)
			case r.LateRight != nil:
				late = append(late, r.LateRight.number)
			default:
				got = append(got, r.Value)
			}
		}
		taken, wantLate := m.onTime()
		require.Equal(t, wantLate, late, "seed %d", seed)
		require.Equal(t, m.expected(taken), sorted(got), "seed %d", seed)
		lates += len(late)
	}
	require.Greater(t, lates, 1000)
}

// build joins two streams as the meeting says.
func (m meeting) build(left flow.Stream[event], right flow.Stream[answer]) flow.Joined[string, event, answer] {
	return left.KeyBy(keyOfEvent).Join(right.KeyBy(keyOfAnswer), flow.Within(secs(m.before), secs(m.after)),
		flow.EventTime(event.when, secs(m.outOfOrder[0])), flow.EventTime(answer.when, secs(m.outOfOrder[1])))
}

func (m meeting) results(j flow.Joined[string, event, answer]) flow.Stream[couple] {
	switch m.kind {
	case operators.LeftJoin:
		return j.Left(joinedLeft)
	case operators.OuterJoin:
		return j.Outer(joinedOuter)
	}
	return j.Inner(joinedInner)
}

// writesCouples gives what a sink does before it writes: for some couples it takes long, for some it fails,
// the first time or two.
func writesCouples(tr trouble, slow bool) func(context.Context, []couple) error {
	tries := make(map[couple]int)
	return func(_ context.Context, all []couple) error {
		var err error
		for _, c := range all {
			tries[c]++
			n := tries[c]
			if slow && n == 1 && tr.one(20, fmt.Sprint("slow", c), n) {
				time.Sleep(100 * time.Second)
			}
			if n <= 2 && tr.one(3, fmt.Sprint(c), n) {
				err = errTest
			}
		}
		return err
	}
}

// Whatever fails and comes again: nothing is late by that, each pair is written once, what has no partner
// is what has none, and each record is done.
func TestJoin_IsRightWhateverComesAgain(t *testing.T) {
	counted := map[string]int64{}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			m := newMeeting(seed, false)
			tr, pause := trouble{seed}, rand.New(rand.NewPCG(seed, 2))
			slow, above := seed%2 == 0, seed%3 == 0
			lefts, rights := make(chan event), make(chan answer)
			left := sources.Channel(lefts).Partition(func(e event) string { return e.part }).
				Redeliver(0, func(int) time.Duration { return time.Duration(1+seed%40) * time.Second })
			right := sources.Channel(rights).Partition(func(a answer) string { return a.part }).
				Redeliver(0, func(int) time.Duration { return time.Duration(1+seed%10) * time.Second })
			if slow {
				left.WithLease(2 * time.Minute)
				right.WithLease(3 * time.Minute)
			}
			out := &collector[couple]{before: writesCouples(tr, slow)}
			from, to := flow.From(left), flow.From(right)
			if above { // each event is delivered again at most once by that
				from = from.TryMap(tr.once(6, "retried")).OnError(flow.Retry(1, seconds(20))).TryMap(tr.once(6, "handed back")).OnError(flow.Nack())
				fails := tr.once(6, "on the right")
				to = to.TryMap(func(ctx context.Context, a answer) (answer, error) {
					_, err := fails(ctx, a.event)
					return a, err
				}).OnError(flow.Nack())
			}
			late := &collector[event]{}
			j := m.build(from, to).
				LateLeft(func(s flow.Stream[event]) *flow.Pipeline { return s.To(late) }).
				LateRight(func(s flow.Stream[answer]) *flow.Pipeline {
					return s.Map(func(a answer) event { return a.event }).To(late)
				})
			p := m.results(j).To(out)
			ended := make(chan error)
			go func() { ended <- p.Run(t.Context()) }()
			for _, e := range m.events {
				if e.IsRight {
					rights <- e.Right
				} else {
					lefts <- e.Left
				}
				if slow {
					time.Sleep(time.Duration(pause.IntN(8)) * time.Second)
				}
			}
			close(lefts)
			close(rights)
			require.NoError(t, <-ended)
			require.Empty(t, late.values(), "seed %d", seed)
			got := sorted(out.values())
			if above { // what came too late by that was without a partner before
				got = slices.Compact(got)
				got = slices.DeleteFunc(got, func(c couple) bool {
					return slices.ContainsFunc(got, func(o couple) bool {
						return o != c && (c.right < 0 && o.left == c.left || c.left < 0 && o.right == c.right)
					})
				})
			}
			require.Equal(t, m.expected(m.events), got, "seed %d", seed)
			for _, o := range left.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			for _, o := range right.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			st, _ := p.Snapshot().Stage("join")
			for name, n := range st.Counters {
				counted[name] += n
			}
		})
	}
	require.Greater(t, counted["again"], int64(300))
	require.Greater(t, counted["handed_back"], int64(300))
	require.Greater(t, counted["premature"], int64(5))
}

// A process that dies at any moment leaves nothing that the next would take for without a partner, and no
// pair is lost.
func TestJoin_IsRightOverACrash(t *testing.T) {
	again := 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			m := newMeeting(seed, false)
			m.kind = operators.LeftJoin + operators.JoinKind(seed%2)
			r := rand.New(rand.NewPCG(seed, 3))
			lefts, rights := make(chan event), make(chan answer)
			left := sources.Channel(lefts).Partition(func(e event) string { return e.part }).Redeliver(0, nil)
			right := sources.Channel(rights).Partition(func(a answer) string { return a.part }).Redeliver(0, nil)
			out := &collector[couple]{}
			events := m.events
			for crashed := false; !crashed; {
				ctx, crash := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() {
					p := m.results(m.build(flow.From(left), flow.From(right)).DropLate()).To(out)
					ended <- p.Run(ctx, flow.WithDrainTimeout(0))
				}()
				n := min(1+r.IntN(60), len(events))
				for _, e := range events[:n] {
					if e.IsRight {
						rights <- e.Right
					} else {
						lefts <- e.Left
					}
					synctest.Wait()
				}
				if events = events[n:]; len(events) == 0 {
					close(lefts)
					close(rights)
					crashed = true
				} else {
					crash()
				}
				if err := <-ended; err != nil {
					require.ErrorAs(t, err, new(*flow.DrainError), "seed %d", seed)
				}
				crash()
			}
			for _, o := range left.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
				again += o.HandedBack
			}
			for _, o := range right.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			require.Equal(t, m.expected(m.events), slices.Compact(sorted(out.values())), "seed %d", seed)
		})
	}
	require.Greater(t, again, 1000)
}

var _ stage.Operator[eitherEvent, couple] = operators.Join(meeting{}.joining(), joinedOuter)
