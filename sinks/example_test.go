package sinks_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// write writes a batch in a run of its own, as a pipeline does many.
func write[T any](sink stage.Sink[T], values ...T) {
	ctx := context.Background()
	w, err := sink.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(ctx, stage.Batch[T]{Values: values}); err != nil {
		fmt.Println(err)
	}
	if err := w.Close(ctx); err != nil {
		fmt.Println(err)
	}
}

func ExampleCollect() {
	out := sinks.Collect[string]()
	write(out, "a", "b")
	fmt.Println(out.Values())
	// Output: [a b]
}

// A later run goes on with the file.
func ExampleCSV() {
	type flight struct {
		Carrier string `csv:"carrier"`
		Delay   *int   `csv:"dep_delay"`
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // of the example
	path := filepath.Join(dir, "flights.csv")

	write(sinks.CSV[flight](path), flight{"UA", new(2)})
	write(sinks.CSV[flight](path), flight{"AA", nil})
	data, err := os.ReadFile(path)
	fmt.Print(string(data), err)
	// Output:
	// carrier,dep_delay
	// UA,2
	// AA,
	// <nil>
}

func ExampleStdout() {
	write(sinks.Stdout(func(n int) string { return fmt.Sprintf("%d little ducks", n) }), 5, 4)
	// Output:
	// 5 little ducks
	// 4 little ducks
}
