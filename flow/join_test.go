package flow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// reply is a value of the right stream of a join.
type reply struct{ reading }

func keyOfReply(r reply) string { return r.key }

// joinReadings joins by key, with what is at most before minutes older or after minutes younger.
func joinReadings(left flow.Stream[reading], right flow.Stream[reply], before, after int) flow.Joined[string, reading, reply] {
	return left.KeyBy(keyOfReading).Join(right.KeyBy(keyOfReply),
		flow.Within(time.Duration(before)*time.Minute, time.Duration(after)*time.Minute),
		byEventTime(0), flow.EventTime(reply.when, 0))
}

// told is what comes of a join, in short: "1+2", with "-" for what there is none of.
func told(l *reading, r *reply) string {
	left, right := "-", "-"
	if l != nil {
		left = fmt.Sprint(l.v)
	}
	if r != nil {
		right = fmt.Sprint(r.v)
	}
	return left + "+" + right
}

func toldLeft(l reading, r *reply) string { return told(&l, r) }

func toldInner(l reading, r reply) string { return told(&l, &r) }

// meet runs a join on channel sources that redeliver, and gives the test their channels.
func meet(t *testing.T, configure func(*sources.Memory[reading], *sources.Memory[reply]),
	build func(flow.Stream[reading], flow.Stream[reply]) *flow.Pipeline, test func(m *meetup)) error {
	t.Helper()
	var err error
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m := &meetup{lefts: make(chan reading), rights: make(chan reply), cancel: cancel}
		m.left, m.right = sources.Channel(m.lefts).Redeliver(0, nil), sources.Channel(m.rights).Redeliver(0, nil)
		if configure != nil {
			configure(m.left, m.right)
		}
		ended := make(chan error)
		go func() { ended <- build(flow.From(m.left), flow.From(m.right)).Run(ctx) }()
		test(m)
		if ctx.Err() == nil {
			close(m.lefts)
			close(m.rights)
		}
		err = <-ended
	})
	return err
}

// meetup is the input of a join.
type meetup struct {
	lefts  chan reading
	rights chan reply
	left   *sources.Memory[reading]
	right  *sources.Memory[reply]
	cancel func()
}

// give feeds readings and replies, and waits until what comes of each has come.
func (m *meetup) give(values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case reading:
			m.lefts <- v
		case reply:
			m.rights <- v
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

func answerAt(key string, at, v int) reply { return reply{reading{key, at, v}} }

func TestJoin_GivesWhatHasNoPartnerWhenTheWatermarkHasPassed(t *testing.T) {
	ways := map[string]func(flow.Joined[string, reading, reply]) flow.Stream[string]{
		"inner": func(j flow.Joined[string, reading, reply]) flow.Stream[string] { return j.Inner(toldInner) },
		"left":  func(j flow.Joined[string, reading, reply]) flow.Stream[string] { return j.Left(toldLeft) },
		"outer": func(j flow.Joined[string, reading, reply]) flow.Stream[string] { return j.Outer(told) },
	}
	for kind, want := range map[string][3][]string{
		"inner": {{"1+2"}, {"1+2"}, {"1+2"}},
		"left":  {{"1+2"}, {"1+2", "4+-"}, {"1+2", "4+-", "16+-"}},
		"outer": {{"1+2", "-+8"}, {"1+2", "-+8", "4+-"}, {"1+2", "-+8", "4+-", "16+-", "-+64"}},
	} {
		out := &collector[string]{}
		require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
			return ways[kind](joinReadings(l, r, 10, 5).DropLate()).To(out)
		}, func(m *meetup) {
			m.give(reading{"a", 10, 1}, answerAt("a", 0, 2), reading{"b", 20, 4}, answerAt("b", 9, 8), answerAt("d", 26, 64))
			require.Equal(t, want[0], out.values(), kind)
			m.give(reading{"c", 26, 16})
			require.Equal(t, want[1], out.values(), kind)
		}), kind)
		require.Equal(t, want[2], out.values(), kind)
	}
}

func TestJoin_GivesLateValuesStreamsOfTheirOwn(t *testing.T) {
	out, left, right := &collector[string]{}, &collector[reading]{}, &collector[reply]{}
	lefts := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(left, flow.As("late left")) }
	rights := func(s flow.Stream[reply]) *flow.Pipeline { return s.To(right, flow.As("late right")) }
	feed := func(m *meetup) {
		m.give(reading{"a", 20, 1}, answerAt("b", 20, 2), reading{"a", 19, 4}, answerAt("a", 19, 8), answerAt("a", 20, 16))
		require.True(t, outcomes(m.left)[1], "what is late is done when it is written, or dropped")
		require.True(t, outcomes(m.right)[1])
	}
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).LateLeft(lefts).LateRight(rights).Left(toldLeft).To(out)
	}, feed))
	require.Equal(t, []string{"1+16"}, out.values())
	require.Equal(t, []reading{{"a", 19, 4}}, left.values())
	require.Equal(t, []reply{answerAt("a", 19, 8)}, right.values())

	var p *flow.Pipeline
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		p = joinReadings(l, r, 5, 5).LateRight(rights).DropLate().Inner(toldInner).To(out)
		return p
	}, feed))
	require.Len(t, right.values(), 2)
	require.Len(t, left.values(), 1)
	st, _ := p.Snapshot().Stage("join")
	require.EqualValues(t, 2, st.Counters["late"])
}

// A stream that has given nothing holds the watermark up, until it is idle.
func TestJoin_WaitsForAStreamUntilItIsIdle(t *testing.T) {
	out := &collector[string]{}
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Left(toldLeft).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, reading{"b", 60, 2}, reading{"a", 9, 4})
		require.Empty(t, out.values())
		m.give(answerAt("a", 5, 8)) // not late, although the left stream is far ahead
		require.Equal(t, []string{"4+8", "1+8"}, out.values())
		for range 3 {
			time.Sleep(operators.DefaultIdle / 2)
			m.give(reading{"c", 120, 16})
		}
		require.Equal(t, []string{"4+8", "1+8", "2+-"}, out.values())
	}))
}

func TestJoin_GoesByTheClock(t *testing.T) {
	out := &collector[string]{}
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return l.KeyBy(keyOfReading).Join(r.KeyBy(keyOfReply), flow.Within(time.Minute, time.Hour),
			flow.ProcessingTime[reading](), flow.ProcessingTime[reply]()).Outer(told).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 0, 1}, answerAt("b", 0, 2))
		time.Sleep(50 * time.Second)
		m.give(reading{"b", 0, 4})
		m.give(answerAt("c", 0, 8))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"4+2", "-+8"}, out.values())
		m.give(answerAt("a", 0, 16))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"4+2", "-+8", "1+16"}, out.values())
	}))
}

// A panic for a value without a partner is blamed on that value, one for a pair on that which came last.
func TestJoin_IsLeftAloneByAPanic(t *testing.T) {
	out, dead := &collector[string]{}, &collector[flow.Failure]{}
	panics := 1
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Left(func(l reading, r *reply) string {
			if r == nil && l.v == 4 || r != nil && panics > 0 {
				panics--
				panic("not this one")
			}
			return told(&l, r)
		}).OnError(flow.DeadLetter(dead)).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, answerAt("a", 10, 2), answerAt("a", 11, 8), reading{"b", 11, 4}, reading{"c", 30, 16}, answerAt("c", 30, 32))
		require.Equal(t, []string{"1+8", "16+32"}, out.values())
		require.Len(t, dead.values(), 2)
		require.Equal(t, answerAt("a", 10, 2), dead.values()[0].Source)
		require.Equal(t, reading{"b", 11, 4}, dead.values()[1].Source)
		require.Equal(t, []bool{true, true, false}, outcomes(m.left))
	}))
}

func TestJoin_FollowsAStepOfTheWatermark(t *testing.T) {
	left := flowtest.NewInput(reading{"a", 5, 1}, reading{"b", 6, 2}).Pause(time.Hour)
	right := flowtest.NewInput(answerAt("a", 5, 4)).Pause(time.Hour).Give(answerAt("b", 6, 8))
	out, late := flowtest.NewOutput[string](), flowtest.NewOutput[reply]().Named("late")
	p := joinReadings(flow.From(left), flow.From(right), 5, 5).
		LateRight(func(s flow.Stream[reply]) *flow.Pipeline { return s.To(late) }).DropLate().Left(toldLeft).To(out)
	res := flowtest.Run(t, p, flowtest.Watermark(30*time.Minute, minute(60)))
	require.NoError(t, res.Err)
	require.ElementsMatch(t, []string{"1+4", "2+-"}, out.Values())
	require.Equal(t, []reply{answerAt("b", 6, 8)}, late.Values())
}
