package gostreams_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/reugn/go-streams"
	streamflow "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A stock graph between two topics: an order is acknowledged when its bill is stored.
func Example() {
	b, err := broker.Start(broker.Options{InMemory: true, AutoCreate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closing(b)
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closing(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := order(ctx, c, "2 pizzas"); err != nil {
		fmt.Println(err)
		return
	}

	source, err := gostreams.NewSource(ctx, c, "orders", "billing")
	if err != nil {
		fmt.Println(err)
		return
	}
	sink, err := gostreams.NewSink(ctx, c, "bills")
	if err != nil {
		fmt.Println(err)
		return
	}
	bill := func(d *client.Delivery) *gostreams.Delivery[*client.Message] {
		defer cancel() // one is enough for an example
		return gostreams.Wrap(d).With(&client.Message{Body: append([]byte("bill for "), d.Body...)})
	}
	source.Via(streamflow.NewMap(bill, 1)).To(sink)

	stats, err := b.GroupStats("billing")
	fmt.Println(source.Wait(), sink.Err(), err)
	fmt.Printf("%s; acknowledged: %d\n", b.Messages("bills")[0].Body, stats.Acked)
	// Output:
	// <nil> <nil> <nil>
	// bill for 2 pizzas; acknowledged: 1
}

func order(ctx context.Context, c *client.Client, what string) error {
	p, err := c.NewProducer()
	if err != nil {
		return err
	}
	defer closing(p)
	_, err = p.Send(ctx, &client.Message{Topic: "orders", Body: []byte(what)})
	return err
}

func closing(c io.Closer) {
	if err := c.Close(); err != nil {
		fmt.Println(err)
	}
}

// Two operators of ours in a stock graph. They are fused: nothing runs between them.
func ExampleFlow() {
	words := gostreams.Flow(operators.FlatMap(strings.Fields))
	long := gostreams.Flow(operators.Filter(func(w string) bool { return len(w) > 3 }))
	out := given("the quick brown fox", 42).Via(words).Via(long).Via(streamflow.NewMap(strings.ToUpper, 1))
	for word := range out.Out() {
		fmt.Println(word)
	}
	fmt.Println(long.Wait())
	// Output:
	// QUICK
	// BROWN
	// gostreams: 1 values failed and cannot come again; the first: gostreams: value of type int: the stage takes string: convert it before: set a policy, or send deliveries
}

func ExampleOneToOne() {
	running := func() streams.Flow {
		return streamflow.NewFold(0, func(v, sum int) int { return sum + v })
	}
	sums := flow.From(sources.Values(1, 2, 3)).Via(gostreams.OneToOne[int, int](running))
	for sum, err := range sums.All(context.Background()) {
		fmt.Println(sum, err)
	}
	// Output:
	// 1 <nil>
	// 3 <nil>
	// 6 <nil>
}

func ExampleEnveloped() {
	src := sources.Values("a", "bb", "ccc").Recorded()
	long := func() streams.Flow {
		return streamflow.NewFilter(gostreams.LiftFilter(func(s string) bool { return len(s) > 1 }), 1)
	}
	out := &journal[string]{}
	err := flow.From(src).Via(gostreams.Enveloped[string, string](long)).To(out).Run(context.Background())
	fmt.Println(err, out.written(), "done:", done(src))
	// Output: <nil> [bb ccc] done: [a bb ccc]
}

func ExampleSourceOf() {
	src := sources.Values(1, 2).Recorded()
	source := gostreams.SourceOf(context.Background(), src)
	for e := range source.Out() {
		d := e.(*gostreams.Delivery[int])
		if d.Value == 1 {
			fmt.Println(d.Ack(context.Background()))
		} else {
			fmt.Println(d.Nack(context.Background(), fmt.Errorf("%d is even", d.Value)))
		}
	}
	fmt.Println(source.Wait())
	for _, o := range src.Outcomes() {
		fmt.Println(o.Value, o.Done, o.Err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// 1 true <nil>
	// 2 false 2 is even
}
