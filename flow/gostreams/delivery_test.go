package gostreams_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

var errBad = errors.New("bad")

// done gives the values that a source was told are done, and failed those that failed.
func done[T any](src *sources.Memory[T]) (values []T) {
	for _, o := range src.Outcomes() {
		if o.Done {
			values = append(values, o.Value)
		}
	}
	return values
}

func failed[T any](src *sources.Memory[T]) (values []T) {
	for _, o := range src.Outcomes() {
		if o.Err != nil {
			values = append(values, o.Value)
		}
	}
	return values
}

func TestSourceOf_SettlesByHand(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	s := gostreams.SourceOf(t.Context(), src)
	for e := range s.Out() {
		d := e.(*gostreams.Delivery[int])
		if d.Value == 2 {
			require.NoError(t, d.Nack(t.Context(), errBad))
		} else {
			require.NoError(t, d.Ack(t.Context()))
		}
		require.ErrorIs(t, d.Ack(t.Context()), gostreams.ErrSettled)
	}
	require.NoError(t, s.Wait())
	require.Equal(t, []int{1, 3}, done(src))
	require.Equal(t, []int{2}, failed(src))
}

func TestSourceOf_HandsBackWhatNobodyTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1, 2, 3).Redeliver(0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s := gostreams.SourceOf(ctx, src)
		taken := (<-s.Out()).(*gostreams.Delivery[int])
		synctest.Wait() // until the next is offered
		cancel()
		_, open := <-s.Out()
		require.False(t, open)
		require.NoError(t, taken.Ack(t.Context()), "what was taken can still be settled")
		require.NoError(t, s.Wait())
		require.Equal(t, []int{1}, done(src))
		for _, o := range src.Outcomes()[1:] {
			require.Equal(t, 1, o.HandedBack)
		}
	})
}

func TestSourceOf_GivesUpWhatIsNeverSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1).Redeliver(0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s := gostreams.SourceOf(ctx, src)
		d := (<-s.Out()).(*gostreams.Delivery[int])
		<-s.Out()
		time.Sleep(time.Hour)
		cancel()
		require.NoError(t, s.Wait())
		require.ErrorIs(t, d.Ack(t.Context()), gostreams.ErrEnded)
		require.Empty(t, done(src))
	})
}

func TestSinkOf_SettlesAfterTheWrite(t *testing.T) {
	src := sources.Values(1, 2, 3).Recorded()
	out := &journal[int]{fail: func(v int) error {
		if v == 20 {
			return errBad
		}
		return nil
	}}
	sink := gostreams.SinkOf(t.Context(), out)
	source := gostreams.SourceOf(t.Context(), src)
	source.Via(streamflow.NewMap(gostreams.Lift(func(v int) int { return 10 * v }), 1)).To(sink)
	require.NoError(t, sink.Wait())
	require.NoError(t, source.Wait())
	require.ElementsMatch(t, []int{10, 30}, out.written())
	require.Equal(t, []int{1, 3}, done(src))
	require.Equal(t, []int{2}, failed(src))
}

// Our operators between a source and a sink carry the duty: rules 2 and 3.
func TestFlow_CarriesTheDutyToTheSink(t *testing.T) {
	tests := []struct {
		name   string
		stage  *gostreams.Stage
		sink   *gostreams.Sink
		failed []int
	}{
		{"map", gostreams.Flow(operators.Map(double)), gostreams.SinkOf(context.Background(), failing(4)), []int{2}},
		{"filter settles what it drops", gostreams.Flow(operators.Filter(even)),
			gostreams.SinkOf(context.Background(), failing(4)), []int{4}},
		{"flat map fails as a whole", gostreams.Flow(operators.FlatMap(func(v int) []int { return []int{v, 10 * v} })),
			gostreams.SinkOf(context.Background(), failing(30)), []int{3}},
		{"batch fails as a whole", gostreams.Flow(operators.Batch[int, []int](2, 0)).
			Via(gostreams.Flow(operators.Map(func(vs []int) int { return vs[0] }))).(*gostreams.Stage),
			gostreams.SinkOf(context.Background(), failing(3)), []int{3, 4}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := sources.Values(1, 2, 3, 4).Recorded()
			source := gostreams.SourceOf(t.Context(), src)
			source.Via(test.stage).To(test.sink)
			require.NoError(t, source.Wait())
			require.ElementsMatch(t, test.failed, failed(src))
			require.Len(t, done(src), 4-len(test.failed))
		})
	}
}

func failing(value int) *journal[int] {
	return &journal[int]{fail: func(v int) error {
		if v == value {
			return errBad
		}
		return nil
	}}
}

func TestDelivery_ForksSettleTogether(t *testing.T) {
	for _, bad := range []bool{false, true} {
		src := sources.Values(1).Recorded()
		s := gostreams.SourceOf(t.Context(), src)
		forks := (<-s.Out()).(*gostreams.Delivery[int]).Fork(3)
		<-s.Out()
		require.NoError(t, forks[0].Ack(t.Context()))
		if bad {
			require.NoError(t, forks[1].Nack(t.Context(), errBad))
		} else {
			require.NoError(t, forks[1].With("x").Ack(t.Context()))
			require.ErrorIs(t, forks[1].Ack(t.Context()), gostreams.ErrSettled)
		}
		require.Nil(t, src.Outcomes()[0].Err)
		require.False(t, src.Outcomes()[0].Done)
		require.NoError(t, forks[2].Ack(t.Context()))
		require.NoError(t, s.Wait())
		require.Equal(t, !bad, src.Outcomes()[0].Done)
	}
}

// Rule 4: a failure of one fork counts, whatever others are handed back.
func TestDelivery_FailsIfOneOfItsForksDoes(t *testing.T) {
	for _, causes := range [][]error{{nil, errBad, nil}, {errBad, nil, nil}, {nil, nil, errBad}} {
		src := sources.Values(1).Recorded()
		s := gostreams.SourceOf(t.Context(), src)
		forks := (<-s.Out()).(*gostreams.Delivery[int]).Fork(3)
		<-s.Out()
		for i, cause := range causes {
			require.NoError(t, forks[i].Nack(t.Context(), cause))
		}
		require.NoError(t, s.Wait())
		require.ErrorIs(t, src.Outcomes()[0].Err, errBad)
		require.Zero(t, src.Outcomes()[0].HandedBack)
	}
}

func TestLift_SettlesWhatDoesNotGoOn(t *testing.T) {
	src := sources.Values(1, 2, 3, 4).Recorded()
	s := gostreams.SourceOf(t.Context(), src)
	out := s.
		Via(streamflow.NewFilter(gostreams.LiftFilter(func(v int) bool { return v != 1 }), 1)).
		Via(streamflow.NewFlatMap(gostreams.LiftFlatMap(func(v int) []int { return make([]int, v-2) }), 1)).
		Via(streamflow.NewFlatMap(gostreams.TryLift(func(int) (int, error) { panic("no") }), 1))
	require.Empty(t, all(out))
	require.NoError(t, s.Wait())
	require.Equal(t, []int{1, 2}, done(src))
	require.Equal(t, []int{3, 4}, failed(src))
	require.ErrorContains(t, src.Outcomes()[2].Err, "panic: no")
}
