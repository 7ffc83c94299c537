package sources_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A source that redelivers gives a failed value again, and tells what became of each.
func ExampleMemory_Redeliver() {
	ctx := context.Background()
	src := sources.Values("good", "bad").
		Redeliver(2, func(int) time.Duration { return time.Millisecond })
	reader, err := src.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = reader.Close(ctx) }() // always nil

	for {
		batch, err := reader.Read(ctx)
		if err != nil {
			fmt.Println(err)
			break
		}
		for i, v := range batch.Values {
			outcome := stage.Outcome{Index: i}
			if v == "bad" {
				outcome.Err = errors.New("not today")
			}
			if err := batch.Settler.Settle(ctx, []stage.Outcome{outcome}); err != nil {
				fmt.Println(err)
			}
		}
	}
	for _, o := range src.Outcomes() {
		fmt.Println(o.Value, o.Done, o.Attempts, o.Err)
	}
	// Output:
	// EOF
	// good true 1 <nil>
	// bad false 2 not today
}

// A record that cannot be decoded is a fault with its place and reason, and reading goes on.
func ExampleCSVFrom() {
	type flight struct {
		Carrier string `csv:"carrier"`
		Delay   int    `csv:"dep_delay"`
	}
	ctx := context.Background()
	in := strings.NewReader("dep_delay,carrier\n2,UA\nlate,AA\n-5,B6\n")
	reader, err := sources.CSVFrom[flight](in, sources.WithName("flights.csv")).Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = reader.Close(ctx) }() // a string needs no closing
	batch, err := reader.Read(ctx)
	fmt.Println(batch.Values, err)
	for _, f := range batch.Faults {
		fmt.Println(batch.At(f.Index).Position, f.Err)
	}
	// Output:
	// [{UA 2} { 0} {B6 -5}] <nil>
	// flights.csv:3 column "dep_delay": "late" is no int: invalid syntax
}
