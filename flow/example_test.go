package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
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

// The stages on both sides work at the same time.
func ExampleStream_Async() {
	p := flow.From(sources.Values(" a ", " b ")).Map(strings.TrimSpace).Async().Map(strings.ToUpper).To(printer{})
	fmt.Println(p.Run(context.Background()))
	// Output:
	// A
	// B
	// <nil>
}
