package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// printer is a sink in a few lines: it is its own writer.
type printer struct{}

func (printer) Open(context.Context) (stage.Writer[string], error) { return printer{}, nil }

func (printer) Write(_ context.Context, b stage.Batch[string]) error {
	for _, v := range b.Values {
		fmt.Println(v)
	}
	return nil
}

func (printer) Close(context.Context) error { return nil }

func Example() {
	p := flow.From(sources.Values("ada", "", "grace")).
		Filter(func(name string) bool { return name != "" }).
		Map(strings.ToUpper).
		To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Output:
	// ADA
	// GRACE
	// <nil>
}

func ExampleStream_OnError() {
	p := flow.From(sources.Values("1", "two", "3")).
		TryMap(func(_ context.Context, s string) (string, error) {
			if s == "two" {
				return "", fmt.Errorf("%q is no number", s)
			}
			return s, nil
		}).Named("parse").
		OnError(flow.Retry(2, nil).Then(flow.Skip())).
		To(printer{})
	err := p.Run(context.Background())
	st, _ := p.Snapshot().Stage("parse")
	fmt.Println(err, st.Retries, st.Skipped)
	// Output:
	// 1
	// 3
	// <nil> 2 1
}

func ExampleStream_Batch() {
	for batch, err := range flow.From(sources.Values("a", "b", "c")).Batch(2, time.Second).All(context.Background()) {
		fmt.Println(batch, err)
	}
	// Output:
	// [a b] <nil>
	// [c] <nil>
}

func ExampleStream_Broadcast() {
	branches := flow.From(sources.Values("a", "b")).Broadcast(2)
	p := flow.Join(
		branches[0].To(printer{}, flow.As("as it is")),
		branches[1].Map(strings.ToUpper).To(printer{}, flow.As("in capitals")),
	)
	fmt.Print(p.Explain())
	// Output:
	// pipeline
	//   s1 source      values; on error: nack
	//   s2 broadcast   broadcast to 2; from s1; keeps order in a branch; fused; settles when all branches have that are not optional
	//   s3 sink        as it is; from s2; keeps order; 1 write at once; settles each value when it is written; on error: nack
	//   s4 operator    map; from s2; keeps order; fused; settles with what comes of it; on error: nack
	//   s5 sink        in capitals; from s4; keeps order; 1 write at once; settles each value when it is written; on error: nack
}

func ExampleStream_Split() {
	branches := flow.From(sources.Values("7", "go", "12")).Split(2, func(s string) int { return len(s) - 1 })
	p := flow.Join(
		branches[0].Map(func(s string) string { return "one letter: " + s }).To(printer{}),
		branches[1].Map(func(s string) string { return "two letters: " + s }).To(printer{}),
	)
	fmt.Println(p.Run(context.Background()))
	// Unordered output:
	// one letter: 7
	// two letters: go
	// two letters: 12
	// <nil>
}

func ExampleStream_Partition() {
	numbers, words := flow.From(sources.Values("7", "go", "12")).
		Partition(func(s string) bool { return strings.Trim(s, "0123456789") == "" })
	p := flow.Join(
		numbers.To(printer{}),
		words.Map(func(s string) string { return "no number: " + s }).To(printer{}),
	)
	fmt.Println(p.Run(context.Background()))
	// Unordered output:
	// 7
	// no number: go
	// 12
	// <nil>
}

func ExampleStream_Optional() {
	branches := flow.From(sources.Values("a", "b")).Broadcast(2)
	p := flow.Join(
		branches[0].To(printer{}),
		branches[1].Optional(1000).
			TryMap(func(context.Context, string) (string, error) { return "", errors.New("the gauge is broken") }).
			To(printer{}),
	)
	err := p.Run(context.Background())
	st, _ := p.Snapshot().Stage("optional")
	fmt.Println(err, st.Counters)
	// Output:
	// a
	// b
	// <nil> map[failed:2]
}

func ExampleMerge() {
	p := flow.Merge(flow.From(sources.Values("a", "b")), flow.From(sources.Values("1", "2"))).To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Unordered output:
	// a
	// b
	// 1
	// 2
	// <nil>
}

// A channel is the topic in between; on RocketMQ that would be one of type FIFO, with sinks.InGroups and
// sources.RocketMQ at its ends.
func ExampleStream_Through() {
	topic := make(chan string, 2)
	left := 2
	write := sinks.Func(func(_ context.Context, v string) error {
		topic <- v
		if left--; left == 0 {
			close(topic)
		}
		return nil
	})
	p := flow.From(sources.Values("a", "b")).
		Through(write, sources.Channel(topic)).
		Map(strings.ToUpper).
		To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Output:
	// A
	// B
	// <nil>
}

// What has one key is worked on in order, and what has others at the same time.
func ExampleStream_KeyBy() {
	p := flow.From(sources.Values("a1", "b1", "a2")).
		KeyBy(func(v string) string { return v[:1] }).
		ParMap(2, func(_ context.Context, v string) (string, error) { return "done: " + v, nil }).
		To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Unordered output:
	// done: a1
	// done: b1
	// done: a2
	// <nil>
}

// Departures per carrier and hour. What comes too late for its hour goes elsewhere.
func ExampleKeyed_Window() {
	type flight struct {
		carrier string
		at      time.Time
	}
	left := func(carrier string, hour, minute int) flight {
		return flight{carrier, time.Date(2026, 1, 1, hour, minute, 0, 0, time.UTC)}
	}
	p := flow.From(sources.Values(left("AA", 1, 3), left("AA", 1, 20), left("UA", 1, 58), left("AA", 2, 30), left("UA", 1, 59))).
		KeyBy(func(f flight) string { return f.carrier }).
		Window(flow.Tumbling(time.Hour), flow.EventTime(func(f flight) time.Time { return f.at }, 10*time.Minute)).
		Late(func(late flow.Stream[flight]) *flow.Pipeline {
			return late.Map(func(f flight) string { return fmt.Sprint("late: ", f.carrier, " at ", f.at.Format(time.TimeOnly)) }).To(printer{})
		}).
		Agg(func() int { return 0 }, func(n int, _ flight) int { return n + 1 }).
		Map(func(w flow.Window[string, int]) string {
			return fmt.Sprint(w.Key, " from ", w.Start.Format(time.TimeOnly), ": ", w.Value)
		}).
		To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Unordered output:
	// AA from 01:00:00: 2
	// UA from 01:00:00: 1
	// late: UA at 01:59:00
	// AA from 02:00:00: 1
	// <nil>
}

// The stages on both sides work at the same time.
func ExampleStream_Async() {
	p := flow.From(sources.Values(" a ", " b ")).Map(strings.TrimSpace).Async().Map(strings.ToUpper).To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Output:
	// A
	// B
	// <nil>
}
