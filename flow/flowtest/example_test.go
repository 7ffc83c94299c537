package flowtest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// prices is the pipeline under test: it is given its ends.
func prices(lines stage.Source[string], out stage.Sink[[]float64], dead stage.Sink[flow.Failure]) *flow.Pipeline {
	return flow.From(lines).
		TryMap(func(_ context.Context, s string) (float64, error) { return strconv.ParseFloat(s, 64) }).Named("parse").
		OnError(flow.DeadLetter(dead)).
		Filter(func(v float64) bool { return v > 0 }).
		Batch(500, time.Second).
		OnError(flow.Nack()).
		To(out)
}

// In a test, t is the test's own.
func ExampleRun() {
	t := new(testing.T)
	in := flowtest.NewInput("1", "x", "-1", "2").Pause(time.Hour).Give("3")
	out, dead := flowtest.NewOutput[[]float64](), flowtest.NewOutput[flow.Failure]()

	res := flowtest.Run(t, prices(in, out, dead))

	fmt.Println(res.Err, res.Took)
	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	fmt.Println(dead.Values()[0].Stage, dead.Values()[0].Value)
	fmt.Println(in.States())
	// Output:
	// <nil> 1h0m0s
	// 1s [[1 2]]
	// 1h0m0s [[3]]
	// parse x
	// [acked acked acked acked acked]
}

// A stage fails where the test says so; the pipeline is not changed for it.
func ExampleFail() {
	t := new(testing.T)
	in := flowtest.NewInput("1", "2").Redeliver(flowtest.Redelivery{})
	out, dead := flowtest.NewOutput[[]float64](), flowtest.NewOutput[flow.Failure]()

	down := errors.New("the database is down")
	flowtest.Run(t, prices(in, out, dead), flowtest.Fail("output", down).Times(3))

	for _, d := range in.Outcomes()[0].Deliveries {
		fmt.Println(d.Attempt, d.At, d.State, d.Err)
	}
	// Output:
	// 1 0s nacked the database is down
	// 2 1s nacked the database is down
	// 3 6s nacked the database is down
	// 4 16s acked <nil>
}

// A function of the values says which of them are met.
func ExampleFault_When() {
	t := new(testing.T)
	in, out, dead := flowtest.NewInput("1", "200", "3"), flowtest.NewOutput[[]float64](), flowtest.NewOutput[flow.Failure]()

	long := func(s string) bool { return len(s) > 2 }
	flowtest.Run(t, prices(in, out, dead), flowtest.Panic("parse", "too long").When(long))

	fmt.Println(out.Values(), dead.Values()[0].Err)
	// Output: [[1 3]] stage: panic: too long
}

// A keyed input is a FIFO group: what fails holds up its key, and no other.
func ExampleInput_Keyed() {
	t := new(testing.T)
	account := func(s string) string { name, _, _ := strings.Cut(s, " "); return name }
	in := flowtest.NewInput("ann +1", "bob +1", "ann +2").Keyed(account)
	out := flowtest.NewOutput[string]()
	p := flow.From(in).Map(strings.ToUpper).Named("book").To(out)

	flowtest.Run(t, p, flowtest.Fail("book", nil).On("ann +1").Times(1))

	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	// Output:
	// 0s [BOB +1]
	// 1s [ANN +1 ANN +2]
}

// What became of each input, as a failing test shows it.
func ExampleResult() {
	t := new(testing.T)
	in, out, dead := flowtest.NewInput("1", "x", "3"), flowtest.NewOutput[[]float64](), flowtest.NewOutput[flow.Failure]()

	res := flowtest.Run(t, prices(in, out, dead), flowtest.Fail("dead letters", errors.New("the topic is full")))

	for line := range strings.Lines(res.String()) {
		fmt.Println(strings.TrimSpace(line))
	}
	// Output:
	// input[0]  acked   1  at 0s
	// input[1]  nacked  x  at 0s, in stage "parse": the topic is full
	// input[2]  acked   3  at 0s
}
