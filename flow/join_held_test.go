package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Rule 3: a record is done when it can have no more partners. In a left join, one on the right is not done
// before its partners on the left.
func TestJoin_HoldsARecordUntilItCanHaveNoMorePartners(t *testing.T) {
	steps := func(m *meetup, right ...bool) {
		m.give(reading{"a", 10, 1}, answerAt("a", 0, 2), answerAt("b", 14, 4), reading{"b", 14, 8})
		require.Equal(t, []bool{false, false}, outcomes(m.left))
		require.Equal(t, right[0], outcomes(m.right)[0], "it could have had partners until 10")
		m.give(answerAt("b", 16, 16), reading{"b", 16, 32})
		require.Equal(t, []bool{true, false, false}, outcomes(m.left))
		require.Equal(t, []bool{right[1], false, false}, outcomes(m.right))
	}
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 10, 5).DropLate().Inner(toldInner).To(&collector[string]{})
	}, func(m *meetup) { steps(m, true, true) }))
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 10, 5).DropLate().Left(toldLeft).To(&collector[string]{})
	}, func(m *meetup) { steps(m, false, true) }))
}

// What a sink did not take comes again, both values of it, and the pair is given again, once.
func TestJoin_GivesAPairAgainThatWasNotWritten(t *testing.T) {
	var fails atomic.Int32
	fails.Store(3)
	out := &collector[string]{before: func(context.Context, []string) error {
		if fails.Add(-1) >= 0 {
			return errTest
		}
		return nil
	}}
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.Redeliver(0, func(int) time.Duration { return time.Minute })
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Outer(told).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, answerAt("a", 10, 2))
		require.Equal(t, []string{"1+2"}, out.values(), "the right one comes at once")
		m.give(answerAt("a", 11, 4))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"1+2", "1+4"}, out.values())
		m.give(reading{"b", 30, 8}, answerAt("b", 30, 16))
		require.Equal(t, []string{"1+2", "1+4", "8+16"}, out.values())
		require.Equal(t, []bool{true, false}, outcomes(m.left))
		require.Equal(t, []bool{true, true, false}, outcomes(m.right))
		require.Equal(t, 2, m.left.Outcomes()[0].Attempts, "not as often as its partner")
	}))
}

// What has no partner and was not written is given again, but for one that has found a partner.
func TestJoin_GivesAgainWhatHasNoPartner(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	out := &collector[string]{before: func(_ context.Context, all []string) error {
		if broken.Load() && slices.ContainsFunc(all, func(s string) bool { return strings.HasSuffix(s, "+-") }) {
			return errTest
		}
		return nil
	}}
	var failed atomic.Bool
	above := func(_ context.Context, r reply) (reply, error) {
		if r.v == 4 && failed.CompareAndSwap(false, true) {
			return r, errTest
		}
		return r, nil
	}
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.Redeliver(0, func(int) time.Duration { return 5 * time.Minute })
		r.Redeliver(0, func(int) time.Duration { return 2 * time.Minute })
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r.TryMap(above).OnError(flow.Nack()), 5, 5).DropLate().Left(toldLeft).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, reading{"c", 10, 2}, answerAt("a", 10, 4), reading{"b", 30, 8}, answerAt("b", 30, 16))
		require.Equal(t, []string{"8+16"}, out.values())
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"8+16", "1+4"}, out.values(), "what failed above is here")
		broken.Store(false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"8+16", "1+4", "2+-"}, out.values())
		require.Equal(t, []bool{true, true, false}, outcomes(m.left))
		require.Equal(t, []bool{true, false}, outcomes(m.right))
	}))
}

// An interval longer than a lease: its records come again and again, and pair once.
func TestJoin_HandsBackWhatTheLeaseDoesNotLeaveTimeFor(t *testing.T) {
	out := &collector[string]{}
	var p *flow.Pipeline
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.WithLease(time.Minute)
		r.WithLease(2 * time.Minute)
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		p = joinReadings(l, r, 60, 60).DropLate().Outer(told).To(out)
		return p
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, reading{"b", 10, 2}, answerAt("b", 10, 4), answerAt("c", 10, 8))
		time.Sleep(10 * time.Minute)
		m.give(answerAt("a", 60, 16))
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{"2+4", "1+16"}, out.values())
		for _, o := range m.left.Outcomes() {
			require.False(t, o.Done)
			require.Greater(t, o.HandedBack, 10)
			require.Equal(t, 1, o.Attempts, "no lease has ended")
		}
		m.give(reading{"d", 300, 32}, answerAt("d", 300, 64))
		require.Equal(t, []string{"2+4", "1+16", "-+8", "32+64"}, out.values())
		require.Equal(t, []bool{true, true, false}, outcomes(m.left))
		require.Equal(t, []bool{true, true, true, false}, outcomes(m.right))
	}))
	st, _ := p.Snapshot().Stage("join")
	require.Equal(t, st.Counters["handed_back"], st.Counters["again"])
}

// A record whose lease ends while its pair is being written settles with that pair.
func TestJoin_SettlesWhatComesAgainWithThePairThatIsOnItsWay(t *testing.T) {
	out := &collector[string]{before: slow[string](90 * time.Second)}
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.WithLease(time.Minute)
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Inner(toldInner).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, answerAt("a", 10, 2))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 2, m.left.Outcomes()[0].Attempts)
		m.give(reading{"b", 30, 8}, answerAt("b", 31, 16))
		require.Equal(t, []bool{true, false}, outcomes(m.left))
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1+2", "8+16"}, out.values())
	}))
}

// When the run ends before the input, what is held goes back.
func TestJoin_HandsBackWhatIsHeldWhenTheRunEnds(t *testing.T) {
	out := &collector[string]{}
	require.NoError(t, meet(t, nil, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Outer(told).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, reading{"b", 10, 2}, answerAt("a", 10, 4))
		m.cancel()
		synctest.Wait()
		require.Equal(t, []string{"1+4"}, out.values())
		for _, o := range m.left.Outcomes() {
			require.False(t, o.Done)
			require.Equal(t, 1, o.HandedBack)
		}
	}))
}

// Several values of one record are joined each, and each once; one record may be in both streams.
func TestJoin_TellsTheValuesOfARecordApart(t *testing.T) {
	var fails atomic.Int32
	fails.Store(2)
	out := &collector[string]{before: func(context.Context, []string) error {
		if fails.Add(-1) >= 0 {
			return errTest
		}
		return nil
	}}
	src := sources.Values(reading{"a", 5, 1}, reading{"a", 6, 2}).Redeliver(0, nil)
	both := flow.From(src).FlatMap(func(r reading) []reading { return []reading{r, {r.key, r.at, 10 * r.v}} }).Broadcast(2)
	p := joinReadings(both[0], both[1].Map(func(r reading) reply { return reply{r} }), 0, 0).DropLate().Inner(toldInner).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.ElementsMatch(t, []string{"1+1", "1+10", "10+1", "10+10", "2+2", "2+20", "20+2", "20+20"}, out.values())
	require.Equal(t, []bool{true, true}, outcomes(src))
}

// Of values with one identity one is joined, whatever record they are of.
func TestJoin_JoinsAnIdentityOnce(t *testing.T) {
	out := &collector[string]{}
	src := sources.Values(reading{"a", 5, 1}, reading{"a", 5, 1}, reading{"a", 6, 2}).Redeliver(0, nil)
	left := flow.Flatten(flow.From(src).Batch(2, time.Second))
	right := flow.From(sources.Values(answerAt("a", 5, 4)).Redeliver(0, nil))
	p := joinReadings(left, right, 5, 5).DropLate().Identify(
		func(r reading) string { return strings.Repeat("x", r.v) }, func(r reply) string { return "y" },
	).Inner(toldInner).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.ElementsMatch(t, []string{"1+4", "2+4"}, out.values())
	require.Equal(t, []bool{true, true, true}, outcomes(src))
}

func TestJoin_IsValidated(t *testing.T) {
	l, r := flow.From(sources.Values(reading{})), flow.From(sources.Values(reply{}))
	validate := func(s flow.Stream[string]) error { return s.To(&collector[string]{}).Validate() }
	lates := func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}) }
	replies := func(s flow.Stream[reply]) *flow.Pipeline { return s.To(&collector[reply]{}) }
	ok := joinReadings(l, r, 5, 5)
	require.NoError(t, validate(ok.DropLate().Inner(toldInner)))
	require.NoError(t, validate(ok.LateLeft(lates).LateRight(replies).Inner(toldInner)))
	clock := flow.EventTime(reply.when, 0)
	for want, bad := range map[string]flow.Joined[string, reading, reply]{
		`stage "pairs" at join_held_test.go`:     ok.Named("pairs"),
		"call DropLate to drop and count them":   ok,
		"LateLeft and LateRight to give them":    ok.LateLeft(lates),
		"both dropped and given streams":         ok.DropLate().LateLeft(lates).LateRight(replies),
		"LateRight: the function gave no":        ok.LateLeft(lates).LateRight(func(flow.Stream[reply]) *flow.Pipeline { return nil }),
		"the interval ends before it begins":     joinReadings(l, r, 5, -6).LateLeft(lates).DropLate(),
		"go by the same on both sides":           l.KeyBy(keyOfReading).Join(r.KeyBy(keyOfReply), flow.Within(1, 1), flow.ProcessingTime[reading](), clock).DropLate(),
		"neither may be negative":                l.KeyBy(keyOfReading).Join(r.KeyBy(keyOfReply), flow.Within(1, 1), byEventTime(-1), clock).DropLate(),
		"a function is missing":                  l.KeyBy(keyOfReading).Join(r.KeyBy[string](nil), flow.Within(1, 1), byEventTime(1), clock).DropLate(),
		"hold for -1ns: the time may not":        ok.DropLate().HoldFor(-1),
		"values are identified on one side only": ok.DropLate().Identify(func(reading) string { return "" }, nil),
	} {
		err := validate(bad.Left(toldLeft))
		require.ErrorContains(t, err, want)
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "once: %v", err)
	}
	require.ErrorContains(t, validate(ok.DropLate().Inner[string](nil)), "a function is missing")
	require.ErrorContains(t, validate(ok.DropLate().Left[string](nil)), "a function is missing")
	require.ErrorContains(t, validate(ok.DropLate().Outer[string](nil)), "a function is missing")
	of := func(l *sources.Memory[reading]) error {
		return validate(joinReadings(flow.From(l), r, 5, 5).DropLate().Inner(toldInner))
	}
	require.ErrorContains(t, of(sources.Values(reading{}).Keyed(keyOfReading)), "orders by key")
	require.NoError(t, of(sources.Values(reading{}).WithLease(time.Minute)))
	batched := flow.Flatten(flow.From(sources.Values(reading{}).Redeliver(0, nil)).Batch(2, 0))
	require.ErrorContains(t, validate(joinReadings(batched, r, 5, 5).DropLate().Inner(toldInner)), `but stage "batch" above it makes one record of several`)
}

func TestExplain_ShowsJoins(t *testing.T) {
	l := flow.From(sources.Values(reading{}).WithLease(time.Hour))
	r := flow.From(sources.Values(reply{}))
	p := joinReadings(l, r, 60, 5).Named("weather").
		LateLeft(func(s flow.Stream[reading]) *flow.Pipeline { return s.To(&collector[reading]{}, flow.As("too late")) }).
		DropLate().Outer(told).To(&collector[string]{}, flow.As("table"))
	text := p.Explain()
	for _, want := range []string{
		"weather; from s1, s2;", "outer join within 1h0m0s before to 5m0s after by event time, 0s out of order;",
		"settles when it can have no more partners and its pairs are safe;", "keeps what may have partners in this process, which must be the only one of its group",
		"holds records for as long as their lease leaves", "table; from s3 (results)", "too late; from s3 (late left)",
	} {
		require.Contains(t, text, want)
	}
}

// A source that cannot redeliver makes Run return what failed, also where what has no partner did.
func TestJoin_ReturnsTheFailureOfASourceThatCannotRedeliver(t *testing.T) {
	out := &collector[string]{before: func(context.Context, []string) error { return errTest }}
	join := func(f func(reading, *reply) string) error {
		return joinReadings(flow.From(sources.Values(reading{"a", 5, 1})), flow.From(sources.Values(answerAt("b", 5, 1))), 5, 5).
			DropLate().Left(f).To(out).Run(t.Context())
	}
	var failed *flow.FailedError
	require.True(t, errors.As(join(toldLeft), &failed))
	err := join(func(reading, *reply) string { panic("not this one") })
	require.ErrorContains(t, err, "not this one")
}

// A dead letter of a pair tells of both of its values.
func TestJoin_DeadLettersBothValuesOfAPair(t *testing.T) {
	out, dead := &collector[string]{}, &collector[flow.Failure]{}
	fails := func(context.Context, string) (string, error) { return "", errTest }
	left := sources.Values(reading{"a", 5, 1}, reading{"b", 5, 2}).Redeliver(0, nil)
	right := sources.Values(answerAt("a", 5, 4)).Redeliver(0, nil)
	p := joinReadings(flow.From(left), flow.From(right), 5, 5).DropLate().Left(toldLeft).
		TryMap(fails).OnError(flow.DeadLetter(dead)).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, dead.values(), 2)
	require.ElementsMatch(t, []any{reading{"a", 5, 1}, answerAt("a", 5, 4)}, dead.values()[0].Sources)
	require.Equal(t, reading{"b", 5, 2}, dead.values()[1].Source)
	require.Equal(t, []bool{true, true}, outcomes(left))
	require.Equal(t, []bool{true}, outcomes(right))
}

// comesLater is a retry topic that sends nothing.
type comesLater struct{ collector[flow.Failure] }

var _ stage.RetrySink = (*comesLater)(nil)

func (*comesLater) ComesAgain(flow.Failure) bool { return true }
func (*comesLater) Redelivery() time.Duration    { return time.Minute }

// A pair that was put off comes again with the values that it was given with. One that was away and has come
// since is not done by that: it is handed back, and gives the pair again.
func TestJoin_HandsBackWhatWasAwayFromAPairThatIsPutOff(t *testing.T) {
	var tries atomic.Int32
	out, later := &collector[string]{}, &comesLater{collector[flow.Failure]{before: func(context.Context, []flow.Failure) error {
		if tries.Add(1) == 1 {
			return errTest // it fails, and so do both values
		}
		time.Sleep(90 * time.Second)
		return nil
	}}}
	require.NoError(t, meet(t, func(l *sources.Memory[reading], r *sources.Memory[reply]) {
		l.Redeliver(0, func(int) time.Duration { return time.Minute })
	}, func(l flow.Stream[reading], r flow.Stream[reply]) *flow.Pipeline {
		return joinReadings(l, r, 5, 5).DropLate().Inner(toldInner).TryMap(func(_ context.Context, v string) (string, error) {
			if len(later.values()) == 0 {
				return "", errTest
			}
			return v, nil
		}).OnError(flow.DeadLetter(later)).To(out)
	}, func(m *meetup) {
		m.give(reading{"a", 10, 1}, answerAt("a", 10, 2))
		time.Sleep(10 * time.Minute)
		require.Len(t, later.values(), 1)
		require.Equal(t, answerAt("a", 10, 2), later.values()[0].Source)
		require.Nil(t, later.values()[0].Sources, "its partner was away")
		require.Equal(t, []string{"1+2"}, out.values())
		m.give(reading{"b", 30, 8}, answerAt("b", 31, 16))
		require.Equal(t, []bool{true, false}, outcomes(m.left))
		require.Equal(t, []bool{true, false}, outcomes(m.right))
		require.Equal(t, 1, m.left.Outcomes()[0].HandedBack)
	}))
}
