package operators_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

// show runs an operator over values and prints what it emits.
func show[I, O any](op stage.Operator[I, O], values ...I) {
	for v, err := range flow.FromSeq(slices.Values(values)).OnError(flow.Skip()).Via(op).All(context.Background()) {
		fmt.Println(v, err)
	}
}

func ExampleMap() {
	show(operators.Map(strings.ToUpper), "a", "b")
	// Output:
	// A <nil>
	// B <nil>
}

func ExampleTryMap() {
	show(operators.TryMap(func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }), "1", "x", "3")
	// Output:
	// 1 <nil>
	// 3 <nil>
}

func ExampleFilter() {
	show(operators.Filter(func(n int) bool { return n > 1 }), 1, 2, 3)
	// Output:
	// 2 <nil>
	// 3 <nil>
}

func ExampleFlatMap() {
	show(operators.FlatMap(strings.Fields), "a b", "", "c")
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}

func ExampleBatch() {
	show(operators.Batch[int, []int](2, 0), 1, 2, 3)
	// Output:
	// [1 2] <nil>
	// [3] <nil>
}

func ExampleBatchBy() {
	show(operators.BatchBy[string, []string](operators.Limits[string]{Bytes: 5, Size: func(s string) int { return len(s) }}),
		"ab", "cd", "ef")
	// Output:
	// [ab cd] <nil>
	// [ef] <nil>
}

func ExampleParMap() {
	show(operators.ParMap(4, func(_ context.Context, n int) (int, error) { return n * n, nil }), 1, 2, 3)
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}
