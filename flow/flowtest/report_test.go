package flowtest_test

import (
	"context"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// failing runs a pipeline in a test that is made to fail.
func failing(t *testing.T, p *flow.Pipeline, opts ...flowtest.Option) (tb *fakeTB, res *flowtest.Result) {
	t.Helper()
	tb = &fakeTB{TB: t}
	synctest.Test(t, func(*testing.T) { res = flowtest.Run(tb, p, opts...) })
	return tb, res
}

func TestReport_NamesTheStageThatLostASettlement(t *testing.T) {
	in := flowtest.NewInput(1, 2, 3).Redeliver(flowtest.Redelivery{})
	p := flow.From(in).Map(same).Via(dropping(2)).Named("enrich").Map(same).To(flowtest.NewOutput[int]())
	tb, res := failing(t, p)
	require.Len(t, tb.errors, 1)
	require.Equal(t, `flowtest: stage "enrich" lost the settlement of 1 record of source "input": each record that a stage takes has to be emitted, joined or settled`, tb.errors[0])
	require.Equal(t, []string{`flowtest: what became of the inputs:
  input[0]  acked  1  at 0s
  input[1]  lost   2  at 0s, in stage "enrich"
  input[2]  acked  3  at 0s
`}, tb.logs)
	require.Error(t, res.Err)
	require.Equal(t, []flowtest.State{flowtest.Acked, flowtest.Lost, flowtest.Acked}, in.States())
	require.Equal(t, "enrich", in.Outcomes()[1].Stage)
}

// The same for sources that are not of the kit.
func TestReport_NamesTheStageThatLostASettlementOfAnySource(t *testing.T) {
	p := flow.From(sources.Values(1, 2)).Via(dropping(2)).To(flowtest.NewOutput[int]())
	tb, _ := failing(t, p)
	require.Contains(t, tb.said(), `stage "bad" lost the settlement of 1 record of source "values"`)
}

func TestReport_NamesTheStageThatSettledTwice(t *testing.T) {
	twice := badOperator{process: func(ctx context.Context, r stage.Record[int], next stage.Emitter[int]) {
		next.Emit(ctx, r)
		r.Done()
		r.Done()
	}}
	tb, _ := failing(t, flow.From(flowtest.NewInput(1)).Via(twice).To(flowtest.NewOutput[int]()))
	require.Contains(t, tb.errors[0], `stage "bad" settled input[0] of source "input" twice`)
}

func TestReport_TellsWhatBecameOfARecordAndWhy(t *testing.T) {
	in := flowtest.NewInput("1", "x", "3").Redeliver(flowtest.Redelivery{MaxAttempts: 2}).Shown(func(s string) string { return "the text " + s }).
		Pause(time.Hour).Give("4")
	p := flow.From(in).TryMap(parse).Named("parse").To(flowtest.NewOutput[int]())
	tb := &fakeTB{TB: t}
	res := flowtest.Run(t, p, flowtest.Fail("parse", nil).On("3").Times(1), flowtest.StopAfter(time.Minute))
	require.NoError(t, res.Err)
	tb.fatally(func() { in.RequireAcked(tb) })
	require.True(t, tb.fatal)
	require.Equal(t, `flowtest: not all of input is acked:
  input[0]  acked          the text 1  at 0s
  input[1]  dead-lettered  the text x  at 1s, delivery 2, in stage "parse": strconv.Atoi: parsing "x": invalid syntax
  input[2]  acked          the text 3  at 1s, delivery 2
  input[3]  not read       the text 4  
`, tb.said())
	require.Equal(t, tb.said(), "flowtest: not all of input is acked:\n"+res.String())
}

func TestReport_ShowsOfManyInputsThoseThatAreNotAcked(t *testing.T) {
	in := flowtest.NewInput(make([]int, 1000)...).Give(7)
	flowtest.Run(t, flow.From(in).Map(same).To(flowtest.NewOutput[int]()), flowtest.Fail("map", errTest).On(7))
	tb := &fakeTB{TB: t}
	tb.fatally(func() { in.RequireAcked(tb) })
	require.Contains(t, tb.said(), "input[1000]  nacked")
	require.Contains(t, tb.said(), "… and 951 more")
}

func TestReport_TellsOfARunThatDoesNotEnd(t *testing.T) {
	forever := func(ctx context.Context, v int) (int, error) { <-ctx.Done(); return v, ctx.Err() }
	p := flow.From(flowtest.NewInput(1, 2)).ParMap(2, forever).Named("call").To(flowtest.NewOutput[int]())
	tb, res := failing(t, p, flowtest.Limit(time.Hour))
	require.Len(t, tb.errors, 1)
	require.Contains(t, tb.errors[0], `the run did not end within 1h0m0s: stage "call" holds input[0], input[1]`)
	var drain *flow.DrainError
	require.ErrorAs(t, res.Err, &drain)
	require.Contains(t, tb.said(), `input[0]  handed back  1  at 1h0m30s, in stage "call"`)

	tb = &fakeTB{TB: t}
	synctest.Test(t, func(*testing.T) {
		idle := make(chan int)
		flowtest.Run(tb, flow.From(sources.Channel(idle)).To(flowtest.NewOutput[int]()), flowtest.Limit(time.Hour))
	})
	require.Contains(t, tb.said(), "no stage holds a record: does its source end?")
}

func TestReport_TellsOfARunThatHeedsNothing(t *testing.T) {
	tb := &fakeTB{TB: t}
	synctest.Test(t, func(*testing.T) {
		stubborn := make(chan int)
		p := flow.From(flowtest.NewInput(1)).Map(func(int) int { return <-stubborn }).Named("stubborn").To(flowtest.NewOutput[int]())
		flowtest.Run(tb, p, flowtest.Limit(time.Hour))
		close(stubborn)
		synctest.Wait()
	})
	require.Contains(t, tb.errors[0], "does not heed its own")
	require.Contains(t, tb.errors[0], "input[0]  held")
}

func TestReport_TellsOfRecordsWithoutOutcome(t *testing.T) {
	in := flowtest.NewInput(1)
	tb, _ := failing(t, flow.From[int](mute{in}).To(flowtest.NewOutput[int]()))
	require.Contains(t, tb.said(), "input[0] was read and has no outcome")
}

// mute is a source that keeps the outcomes of another's records to itself.
type mute struct{ stage.Source[int] }

func (m mute) Open(ctx context.Context) (stage.Reader[int], error) {
	r, err := m.Source.Open(ctx)
	return muteReader{r}, err
}

type muteReader struct{ stage.Reader[int] }

func (r muteReader) Read(ctx context.Context) (stage.Batch[int], error) {
	b, err := r.Reader.Read(ctx)
	b.Settler = nil
	return b, err
}

func TestReport_TellsOfFaultsThatCannotBeMeant(t *testing.T) {
	run := func(f flowtest.Fault) []string {
		p := flow.From(flowtest.NewInput(1)).Map(same).Named("double").To(flowtest.NewOutput[int]())
		tb, _ := failing(t, p, f)
		return tb.errors
	}
	require.Equal(t, []string{`flowtest: Fail("duoble", test failure): there is no such stage: there are "input", "double", "output"`},
		run(flowtest.Fail("duoble", errTest)))
	require.Equal(t, []string{`flowtest: Panic("double", boom) never happened: no try at the stage was such a one`},
		run(flowtest.Panic("double", "boom").On(2)))
	require.Equal(t, []string{`flowtest: Delay("double", 1h0m0s): When has a function of string, but the stage takes int`},
		run(flowtest.Delay("double", time.Hour).When(func(string) bool { return true })))
	require.Empty(t, run(flowtest.Fail("double", errTest)))
}

// leaky is a source that leaves a goroutine behind until the test ends it.
type leaky struct{ end chan struct{} }

func (l leaky) Open(context.Context) (stage.Reader[int], error) {
	go func() { <-l.end }()
	return l, nil
}

func (leaky) Read(context.Context) (stage.Batch[int], error) { return stage.Batch[int]{}, io.EOF }
func (leaky) Close(context.Context) error                    { return nil }

func TestReport_TellsOfGoroutinesThatAreLeft(t *testing.T) {
	tb := &fakeTB{TB: t}
	synctest.Test(t, func(*testing.T) {
		end := make(chan struct{})
		flowtest.FindLeaks(tb, func() {
			flowtest.Run(tb, flow.From[int](leaky{end}).To(flowtest.NewOutput[int]()))
		})
		close(end)
	})
	require.Len(t, tb.errors, 1)
	require.Contains(t, tb.errors[0], "flowtest: the run has left a goroutine behind")
	require.Contains(t, tb.errors[0], "leaky.Open")
}

// A clock that stops cannot be seen from within the bubble, and ends no test.
func TestStalled_FindsWhoStopsTheClock(t *testing.T) {
	outside, bubble := make(chan int), make(chan string, 1)
	found := make(chan []string)
	go func() {
		id := <-bubble
		for {
			if stacks := flowtest.Stalled(id); len(stacks) > 0 {
				close(outside)
				found <- stacks
				return
			}
			runtime.Gosched()
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		asleep := make(chan struct{})
		go func() {
			time.Sleep(time.Hour)
			close(asleep)
		}()
		bubble <- flowtest.BubbleOf()
		<-outside
		require.Empty(t, flowtest.Stalled(flowtest.BubbleOf()), "this one has something to do")
		<-asleep
	})
	stacks := <-found
	require.Len(t, stacks, 1)
	require.Contains(t, stacks[0], "TestStalled_FindsWhoStopsTheClock")
	require.Empty(t, flowtest.Stalled("no bubble"))
}

func TestRun_NeedsABubble(t *testing.T) {
	tb := &fakeTB{TB: t}
	tb.fatally(func() { flowtest.Run(tb, flow.From(flowtest.NewInput(1)).To(flowtest.NewOutput[int]())) })
	require.Contains(t, tb.said(), "has no bubble of its own: call Run with a *testing.T, or within synctest.Test")
}

// What Run returned is for the test to judge; what is wrong with the description is no fault's fault.
func TestReport_LeavesErrorsOfRunToTheTest(t *testing.T) {
	tb, res := failing(t, flow.From(flowtest.NewInput(1)).Map[int](nil).To(flowtest.NewOutput[int]()), flowtest.Fail("any", nil))
	require.ErrorContains(t, res.Err, "function is nil")
	require.Empty(t, tb.errors)
	require.True(t, slices.Equal(tb.logs, nil))
}
