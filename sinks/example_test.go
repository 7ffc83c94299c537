package sinks_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
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

// Each order has one bill, although the program may be killed at any moment and the order come again.
func ExampleRocketMQOnce() {
	b, err := broker.Start(broker.Options{Topics: []broker.Topic{{Name: "bills", Type: broker.Transaction}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	c, err := client.New(b.Endpoint(), client.WithPlaintext())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	store := state.NewMemory() // in earnest one that survives the process
	bills := sinks.RocketMQOnce(c, "bills", store,
		func(order string, _ stage.Info) string { return order },
		func(order string) (*client.Message, error) {
			return &client.Message{Body: []byte("bill for " + order)}, nil
		})
	write(bills, "order 1", "order 2")
	write(bills, "order 2", "order 3") // order 2 came again
	for _, m := range b.Messages("bills") {
		fmt.Println(string(m.Body))
	}
	// Unordered output:
	// bill for order 1
	// bill for order 2
	// bill for order 3
}
