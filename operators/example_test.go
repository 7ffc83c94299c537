package operators_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
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

func ExampleTryFilter() {
	valid := func(_ context.Context, s string) (bool, error) { return strconv.ParseBool(s) }
	show(operators.TryFilter(valid), "true", "no", "false", "1")
	// Output:
	// true <nil>
	// 1 <nil>
}

func ExampleFlatMap() {
	show(operators.FlatMap(strings.Fields), "a b", "", "c")
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}

func ExampleTryFlatMap() {
	unpack := func(_ context.Context, s string) ([]string, error) {
		if s == "" {
			return nil, errors.New("there is nothing in it")
		}
		return strings.Split(s, ","), nil
	}
	show(operators.TryFlatMap(unpack), "a,b", "", "c")
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

func ExampleTap() {
	show(operators.Tap(func(s string) { fmt.Println("saw", s) }), "a", "b")
	// Output:
	// saw a
	// saw b
	// a <nil>
	// b <nil>
}

func ExampleTryTap() {
	audit := func(_ context.Context, s string) error {
		if s == "" {
			return errors.New("there is nothing to write down")
		}
		return nil
	}
	show(operators.TryTap(audit), "a", "", "c")
	// Output:
	// a <nil>
	// c <nil>
}

func ExampleTake() {
	show(operators.Take[string](2), "a", "b", "c")
	// Output:
	// a <nil>
	// b <nil>
}

func ExampleTakeWhile() {
	show(operators.TakeWhile(func(n int) bool { return n < 3 }), 1, 2, 3, 1)
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleSkip() {
	show(operators.Skip[string](1), "the header", "a", "b")
	// Output:
	// a <nil>
	// b <nil>
}

func ExampleFlatten() {
	show(operators.Flatten[string](), []string{"a", "b"}, nil, []string{"c"})
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}

func ExampleScan() {
	none := func() int { return 0 }
	show(operators.Scan(none, func(sum, n int) int { return sum + n }), 1, 2, 3)
	// Output:
	// 1 <nil>
	// 3 <nil>
	// 6 <nil>
}

func ExampleReduce() {
	counts := func() map[string]int { return make(map[string]int) }
	count := func(m map[string]int, word string) map[string]int {
		m[word]++
		return m
	}
	show(operators.Reduce(counts, count), "a", "b", "a")
	// Output: map[a:2 b:1] <nil>
}

// In a test, t is the test's own, and time is virtual.
func ExampleThrottle() {
	in, out := flowtest.NewInput("a", "b", "c", "d"), flowtest.NewOutput[string]()
	flowtest.Run(new(testing.T), flow.From(in).Throttle(1, 2).To(out)) // 1 a second, 2 at once
	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	// Output:
	// 0s [a]
	// 0s [b]
	// 1s [c]
	// 2s [d]
}

func ExampleDebounce() {
	in, out := flowtest.NewInput("a", "b").Pause(time.Minute).Give("c"), flowtest.NewOutput[string]()
	flowtest.Run(new(testing.T), flow.From(in).Debounce(time.Second).To(out))
	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	// Output:
	// 1s [b]
	// 1m0s [c]
}

func ExampleSample() {
	in, out := flowtest.NewInput("a").Pause(time.Second).Give("b").Pause(time.Minute), flowtest.NewOutput[string]()
	flowtest.Run(new(testing.T), flow.From(in).Sample(10*time.Second).To(out))
	for _, w := range out.Writes() {
		fmt.Println(w.At, w.Values)
	}
	// Output: 10s [b]
}

func ExampleParMap() {
	show(operators.ParMap(4, func(_ context.Context, n int) (int, error) { return n * n, nil }), 1, 2, 3)
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

func ExampleParMapKeyed() {
	account := func(s string) string { return s[:1] }
	failedOnce := false
	book := func(_ context.Context, s string) (string, error) {
		if s == "a1" && !failedOnce {
			failedOnce = true
			return "", errors.New("busy")
		}
		return "booked " + s, nil
	}
	soon := func() backoff.BackOff { return backoff.NewConstantBackOff(time.Millisecond) }
	s := flow.FromSeq(slices.Values([]string{"a1", "a2", "b1"})).KeyBy(account).ParMap(2, book).OnError(flow.Retry(3, soon))
	for v, err := range s.All(context.Background()) {
		fmt.Println(v, err)
	}
	// Unordered output:
	// booked b1 <nil>
	// booked a1 <nil>
	// booked a2 <nil>
}

func ExampleParMapUnordered() {
	show(operators.ParMapUnordered(4, func(_ context.Context, n int) (int, error) { return n * n, nil }), 1, 2, 3)
	// Unordered output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

func ExampleDedupe() {
	itself := func(word string) string { return word }
	show(operators.Dedupe(itself, state.NewMemory(), "words", 7*24*time.Hour), "a", "b", "a")
	// Output:
	// a <nil>
	// b <nil>
}
