package operators_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/operators"
)

func ExampleTimeout() {
	lookup := func(ctx context.Context, name string) (string, error) {
		if name == "b" {
			<-ctx.Done() // an answer that does not come
			return "", ctx.Err()
		}
		return name + "!", nil
	}
	in, out, dead := flowtest.NewInput("a", "b", "c"), flowtest.NewOutput[string](), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).ParMap(8, operators.Timeout(time.Second, lookup)).OnError(flow.DeadLetter(dead)).To(out)
	flowtest.Run(new(testing.T), p)
	fmt.Println(out.Values(), dead.Values()[0].Err)
	// Output: [a! c!] operators: no result within 1s
}

func ExampleCircuitBreaker() {
	calls := 0
	lookup := func(context.Context, string) (string, error) {
		calls++
		return "", errors.New("connection refused")
	}
	crm := &operators.Breaker{Failures: 2, OpenFor: time.Minute}
	in, out, dead := flowtest.NewInput("a", "b", "c"), flowtest.NewOutput[string](), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).TryMap(operators.CircuitBreaker(crm, lookup)).OnError(flow.DeadLetter(dead)).To(out)
	flowtest.Run(new(testing.T), p)
	for _, f := range dead.Values() {
		fmt.Println(f.Value, f.Err)
	}
	fmt.Println(calls, "calls")
	// Output:
	// a connection refused
	// b connection refused
	// c operators: the circuit breaker is open for another 1m0s
	// 2 calls
}

func ExampleHedge() {
	var calls atomic.Int32 // the second call is made beside the first
	lookup := func(ctx context.Context, name string) (string, error) {
		if calls.Add(1) == 1 {
			<-ctx.Done() // an answer that takes too long
			return "", ctx.Err()
		}
		return name + "!", nil
	}
	in, out := flowtest.NewInput("a"), flowtest.NewOutput[string]()
	flowtest.Run(new(testing.T), flow.From(in).ParMap(8, operators.Hedge(50*time.Millisecond, lookup)).To(out))
	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	// Output: 50ms [a!]
}

func ExampleEnrich() {
	load := func(context.Context) (map[string]string, error) { // from a file, or a database
		return map[string]string{"AA": "American Airlines", "UA": "United"}, nil
	}
	code := func(s string) string { return s }
	named := func(code, name string, found bool) string {
		if !found {
			return code
		}
		return name
	}
	show(operators.Enrich(time.Hour, load, code, named), "UA", "XX")
	// Output:
	// United <nil>
	// XX <nil>
}

func ExampleCached() {
	loads := 0
	name := operators.Cached(10_000, time.Hour, func(_ context.Context, code string) (string, error) {
		loads++ // in life, a request
		return "name of " + code, nil
	})
	show(operators.TryMap(func(ctx context.Context, code string) (string, error) { return name(ctx, code) }), "UA", "AA", "UA")
	fmt.Println(loads, "loads")
	// Output:
	// name of UA <nil>
	// name of AA <nil>
	// name of UA <nil>
	// 2 loads
}
