package gostreams_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	streamflow "github.com/reugn/go-streams/flow"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Rule 3: the acknowledgement of a batch is that of each member, whatever the batch began with.
func TestFlow_GivesDeliveriesOnceOneHasComeIn(t *testing.T) {
	src := sources.Values(2).Recorded()
	source := gostreams.SourceOf(t.Context(), src)
	s := gostreams.Flow(operators.Batch[int, []int](2, 0))
	in, out := s.In(), s.Out()
	in <- 1
	in <- <-source.Out()
	close(in)
	d := (<-out).(*gostreams.Delivery[[]int])
	require.Equal(t, []int{1, 2}, d.Value)
	require.Empty(t, done(src), "not before it is acknowledged")
	require.NoError(t, d.Ack(t.Context()))
	<-source.Out()
	require.NoError(t, source.Wait())
	require.NoError(t, s.Wait())
	require.Equal(t, []int{2}, done(src))
}

func TestFlow_HandsBackWhatNobodySettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1).Redeliver(0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		source := gostreams.SourceOf(ctx, src)
		s := gostreams.Flow(operators.Map(double), gostreams.WithContext(ctx), gostreams.WithGrace(0),
			gostreams.WithRun(flow.WithDrainTimeout(time.Second)))
		source.Via(s)
		d := (<-s.Out()).(*gostreams.Delivery[int])
		cancel()
		_, open := <-s.Out()
		require.False(t, open)
		var cut *flow.DrainError
		require.ErrorAs(t, s.Wait(), &cut)
		require.NoError(t, source.Wait())
		require.ErrorIs(t, d.Ack(t.Context()), gostreams.ErrSettled)
		require.Equal(t, 1, src.Outcomes()[0].HandedBack)
	})
}

func TestSinkOf_KeepsItsContextWhenFused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1).Redeliver(0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		source := gostreams.SourceOf(t.Context(), src)
		s := gostreams.Flow(operators.Batch[int, []int](2, 0))
		sink := gostreams.SinkOf(ctx, &journal[[]int]{}, gostreams.WithGrace(time.Minute))
		in := s.In()
		in <- <-source.Out() // and it is not closed
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.To(sink)
		}()
		cancel()
		time.Sleep(2 * time.Minute)
		require.Equal(t, []int{1}, done(src), "the batch is written in the end")
		close(in)
		<-ended
		<-source.Out()
		require.NoError(t, errors.Join(sink.Err(), s.Err(), source.Wait()))
	})
}

// Downstream of a stage that has ended nothing is lost either, and the source hears of it.
func TestSinkOf_StopsTheSourceWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1, 2, 3, 4, 5).ReadSize(1).Redeliver(0, func(int) time.Duration { return time.Hour })
		ctx, cancel := context.WithCancelCause(t.Context())
		source := gostreams.SourceOf(ctx, src)
		sink := gostreams.SinkOf(t.Context(), failing(2),
			gostreams.WithPolicy(flow.Stop()), gostreams.WithCancel(cancel))
		source.Via(streamflow.NewPassThrough()).To(sink)
		require.ErrorIs(t, sink.Wait(), errBad)
		require.ErrorIs(t, context.Cause(ctx), errBad)
		require.NoError(t, source.Wait())
		require.NotContains(t, done(src), 2)
		for _, o := range src.Outcomes() {
			require.True(t, o.Done || o.Err != nil || o.HandedBack > 0, "%+v", o)
		}
	})
}

// A stock fan-out gives one delivery twice: whichever is settled first speaks for both.
func TestDelivery_IsSettledOnceAfterAStockFanOut(t *testing.T) {
	src := sources.Values(1, 2).Recorded()
	a, b := &journal[int]{}, &journal[int]{}
	source := gostreams.SourceOf(t.Context(), src)
	branches := streamflow.FanOut(source, 2)
	sinkA, sinkB := gostreams.SinkOf(t.Context(), a), gostreams.SinkOf(t.Context(), b)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		branches[0].To(sinkA)
	}()
	branches[1].To(sinkB)
	<-ended
	require.NoError(t, errors.Join(sinkA.Err(), sinkB.Err(), source.Wait()))
	require.Equal(t, []int{1, 2}, a.written())
	require.Equal(t, []int{1, 2}, b.written())
	require.Equal(t, []int{1, 2}, done(src))
}

func TestEnveloped_RetriesByThePolicy(t *testing.T) {
	tries := 0
	once := func(v int) (int, error) {
		if tries++; tries == 1 {
			return 0, errBad
		}
		return v, nil
	}
	src := sources.Values(7).Recorded()
	out := &journal[int]{}
	p := flow.From(src).Via(gostreams.Enveloped[int, int](func() streams.Flow {
		return streamflow.NewFlatMap(gostreams.TryLift(once), 1)
	})).OnError(flow.Retry(1, nil)).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{7}, out.written())
	require.Equal(t, []int{7}, done(src))
}

// Rule 4: what came of one record fails as a whole, though part of it has come out.
func TestEnveloped_FailsForkedRecordsAsAWhole(t *testing.T) {
	src := sources.Values(1).Recorded()
	out := &journal[int]{}
	p := flow.From(src).Via(gostreams.Enveloped[int, int](func() streams.Flow {
		return gostreams.Chain(
			streamflow.NewFlatMap(gostreams.LiftFlatMap(func(v int) []int { return []int{v, 2, 3} }), 1),
			streamflow.NewFlatMap(gostreams.TryLift(func(v int) (int, error) {
				if v == 2 {
					return 0, errBad
				}
				return v, nil
			}), 1))
	})).To(out)
	require.ErrorIs(t, p.Run(t.Context()), errBad)
	require.Equal(t, []int{1, 3}, out.written())
	require.Empty(t, done(src))
}

func TestAtMostOnce_CountsWhatItCannotEmit(t *testing.T) {
	src := sources.Values(1).Recorded()
	p := flow.From(src).Via(gostreams.AtMostOnce[int, string](func() streams.Flow {
		return streamflow.NewPassThrough()
	})).To(&journal[string]{})
	require.NoError(t, p.Run(t.Context()))
	require.EqualValues(t, 1, counted(t, p, "wrong type"))
}

func TestFrom_TakesTheRocketMQSource(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("orders", "a", "bad", "c")
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		out := &journal[string]{fail: func(v string) error {
			if v == "bad" {
				return errBad
			}
			return nil
		}}
		body := func(m *client.Message) string { return string(m.Body) }
		p := flow.From(gostreams.From[*client.Message](source(ctx, r))).Map(body).To(out)
		require.ErrorIs(r, p.Run(r.Context()), errBad)
		require.ElementsMatch(r, []string{"a", "c"}, out.written())
		require.EqualValues(r, 2, r.acked())
	})
}

// flaky is a source that fails to read, and has a record that cannot be decoded.
type flaky struct{ reads int }

func (f *flaky) Open(context.Context) (stage.Reader[int], error) { return f, nil }

func (f *flaky) Read(context.Context) (stage.Batch[int], error) {
	f.reads++
	switch f.reads {
	case 1:
		return stage.Batch[int]{}, errBad
	case 2:
		return stage.Batch[int]{Values: []int{0, 1}, Faults: []stage.Fault{{Index: 0, Err: errBad}}, Settler: f}, nil
	case 3:
		return stage.Batch[int]{}, io.EOF
	}
	return stage.Batch[int]{}, stage.Permanent(errBad)
}

func (f *flaky) Settle(_ context.Context, outcomes []stage.Outcome) error {
	if o := outcomes[0]; (o.Index == 0) != errors.Is(o.Err, errBad) {
		return errors.New("wrong outcome")
	}
	return nil
}

func (f *flaky) Close(context.Context) error { return errors.New("close failed") }

func TestSourceOf_RetriesReadsAndFailsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{}
		s := gostreams.SourceOf(t.Context(), f)
		d := (<-s.Out()).(*gostreams.Delivery[int])
		require.Equal(t, 1, d.Value)
		require.NoError(t, d.Ack(t.Context()))
		<-s.Out()
		require.EqualError(t, s.Wait(), "gostreams: close source: close failed")
		require.NoError(t, s.Err(), "all that it had came")

		s = gostreams.SourceOf(t.Context(), f)
		require.Empty(t, all(s))
		require.ErrorIs(t, s.Err(), errBad)
	})
}

// ended is a source of one read whose settler keeps the calls.
type ended struct {
	deaf  bool // takes no outcome
	calls [][]stage.Outcome
	read  bool
}

func (s *ended) Open(context.Context) (stage.Reader[int], error) { return s, nil }

func (s *ended) Read(ctx context.Context) (stage.Batch[int], error) {
	if s.read {
		<-ctx.Done()
		return stage.Batch[int]{}, ctx.Err()
	}
	s.read = true
	return stage.Batch[int]{
		Values: []int{0, 1, 2, 3}, Settler: s,
		Faults: []stage.Fault{{Index: 1, Err: errBad}, {Index: 3, Err: errBad}},
	}, nil
}

func (s *ended) Settle(_ context.Context, outcomes []stage.Outcome) error {
	s.calls = append(s.calls, outcomes)
	if s.deaf {
		return errBad
	}
	return nil
}

func (s *ended) Close(context.Context) error { return nil }

// Each call may take as long as a server that is away: what nobody takes goes back in one.
func TestSourceOf_HandsBackTogetherWhatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &ended{}
		ctx, cancel := context.WithCancel(t.Context())
		s := gostreams.SourceOf(ctx, src)
		s.Out()
		synctest.Wait()
		cancel()
		require.NoError(t, s.Wait())
		require.Len(t, src.calls, 2)
		require.Len(t, src.calls[0], 2, "the faults")
		require.ErrorIs(t, src.calls[0][1].Err, errBad)
		require.Equal(t, []stage.Outcome{{Index: 0, Err: stage.ErrHandedBack}, {Index: 2, Err: stage.ErrHandedBack}}, src.calls[1])
	})
}

func TestFrom_NamesTheOutcomesThatAreLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	source := gostreams.SourceOf(ctx, &ended{deaf: true})
	reader, err := gostreams.From[int](given(7, <-source.Out(), 8)).Open(t.Context())
	require.NoError(t, err)
	batch, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{7, 0, 8}, batch.Values)
	var lost *stage.BatchError
	require.ErrorAs(t, batch.Settler.Settle(t.Context(), []stage.Outcome{{Index: 2}, {Index: 1}, {Index: 0}}), &lost)
	require.Equal(t, map[int]error{1: errBad}, lost.Failed)
	cancel()
	require.NoError(t, source.Wait())
}

func TestToEach_DoesNotTakeAnUnfinishedSinkForASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan any)
		src := sources.Values(1).Recorded()
		p := flow.From(src).To(gostreams.ToEach[int](func() streams.Sink { return hanging{make(chan any, 1), release} }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Error(t, p.Run(ctx))
		require.Empty(t, done(src))
		close(release)
	})
}

// hanging is a stock sink that takes what it gets and does not complete before it is released.
type hanging struct{ in, release chan any }

func (h hanging) In() chan<- any { return h.in }

func (h hanging) AwaitCompletion() { <-h.release }
