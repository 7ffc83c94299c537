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

func ExampleBatchKeyed() {
	customer := func(order string) string { return order[:3] }
	show(operators.BatchKeyed[string, string, []string](customer, 2, time.Second, 1000), "ann 1", "bob 1", "ann 2", "ann 3")
	// Output:
	// [ann 1 ann 2] <nil>
	// [bob 1] <nil>
	// [ann 3] <nil>
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

// trip is a value of the examples of windows: minutes after 1 May 2024.
type trip struct {
	from string
	at   int
}

func (t trip) when() time.Time { return time.Date(2024, 5, 1, 0, t.at, 0, 0, time.UTC) }

func (t trip) start() string { return t.from }

// counting says how trips are counted in windows.
func counting(w operators.Windows, c operators.Clock[trip]) operators.Windowing[string, trip] {
	return operators.Windowing[string, trip]{Key: trip.start, Windows: w, Clock: c}
}

func count() operators.Aggregation[trip, int] {
	return operators.Aggregation[trip, int]{
		Init:  func() int { return 0 },
		Add:   func(n int, _ trip) int { return n + 1 },
		Merge: func(a, b int) int { return a + b },
	}
}

// windows runs an operator of windows over trips and prints what it emits.
func windows[A any](op stage.Operator[trip, operators.Window[string, A]], trips ...trip) {
	for w, err := range flow.FromSeq(slices.Values(trips)).Via(op).All(context.Background()) {
		fmt.Println(w.Key, w.Start.Format("15:04"), w.End.Format("15:04"), w.Value, err)
	}
}

func ExampleAggregate() {
	hourly := counting(operators.Tumbling(time.Hour), operators.EventTime(trip.when, 10*time.Minute))
	windows(operators.Aggregate[string, trip, int, operators.Window[string, int]](hourly, count()),
		trip{"JFK", 5}, trip{"EWR", 50}, trip{"JFK", 62}, trip{"JFK", 58}, trip{"EWR", 75})
	// Output:
	// JFK 00:00 01:00 2 <nil>
	// EWR 00:00 01:00 1 <nil>
	// JFK 01:00 02:00 1 <nil>
	// EWR 01:00 02:00 1 <nil>
}

func ExampleAggregateOrLate() {
	hourly := counting(operators.Tumbling(time.Hour), operators.EventTime(trip.when, 10*time.Minute))
	op := operators.AggregateOrLate[string, trip, int, operators.Result[string, trip, int]](hourly, count())
	trips := []trip{{"JFK", 5}, {"JFK", 75}, {"JFK", 58}}
	for r, err := range flow.FromSeq(slices.Values(trips)).Via(op).All(context.Background()) {
		if r.Late != nil {
			fmt.Println("late:", r.Late.at, err)
		} else {
			fmt.Println(r.Window.Start.Format("15:04"), r.Window.Value, err)
		}
	}
	// Output:
	// 00:00 1 <nil>
	// late: 58 <nil>
	// 01:00 1 <nil>
}

func ExampleCollected() {
	pairs := counting(operators.Counts(2), operators.EventTime(trip.when, 0))
	windows(operators.Aggregate[string, trip, []trip, operators.Window[string, []trip]](pairs, operators.Collected[trip]()),
		trip{"JFK", 5}, trip{"JFK", 62}, trip{"JFK", 58})
	// Output:
	// JFK 00:05 01:02 [{JFK 5} {JFK 62}] <nil>
	// JFK 00:58 00:58 [{JFK 58}] <nil>
}

func ExampleTumbling() {
	fmt.Println(operators.Tumbling(24 * time.Hour).Offset(-2 * time.Hour))
	// Output: tumbling 24h0m0s
}

func ExampleSliding() {
	halves := counting(operators.Sliding(time.Hour, 30*time.Minute), operators.EventTime(trip.when, 0))
	windows(operators.Aggregate[string, trip, int, operators.Window[string, int]](halves, count()),
		trip{"JFK", 35}, trip{"JFK", 62})
	// Output:
	// JFK 00:00 01:00 1 <nil>
	// JFK 00:30 01:30 2 <nil>
	// JFK 01:00 02:00 1 <nil>
}

func ExampleSessions() {
	visits := counting(operators.Sessions(10*time.Minute), operators.EventTime(trip.when, time.Hour))
	windows(operators.Aggregate[string, trip, int, operators.Window[string, int]](visits, count()),
		trip{"JFK", 5}, trip{"JFK", 19}, trip{"JFK", 12}, trip{"JFK", 40})
	// Output:
	// JFK 00:05 00:29 3 <nil>
	// JFK 00:40 00:50 1 <nil>
}

func ExampleCounts() {
	pairs := counting(operators.Counts(2), operators.ProcessingTime[trip]())
	trips := flow.FromSeq(slices.Values([]trip{{"JFK", 1}, {"EWR", 2}, {"JFK", 3}}))
	op := operators.Aggregate[string, trip, int, operators.Window[string, int]](pairs, count())
	for w, err := range trips.Via(op).All(context.Background()) {
		fmt.Println(w.Pane(), w.Value, err)
	}
	// Output:
	// JFK/0 2 <nil>
	// EWR/0 1 <nil>
}

func ExampleEventTime() {
	clock := operators.EventTime(trip.when, 10*time.Minute).Idle(30 * time.Second)
	fmt.Println(clock)
	// Output: event time, 10m0s out of order
}

func ExampleProcessingTime() {
	fmt.Println(operators.ProcessingTime[trip]())
	// Output: processing time
}

func ExampleZip() {
	names := flow.FromSeq(slices.Values([]string{"ada", "grace"}))
	born := flow.FromSeq(slices.Values([]int{1815, 1906}))
	for pair, err := range names.Zip(born).All(context.Background()) {
		fmt.Println(pair.Left, pair.Right, err)
	}
	// Output:
	// ada 1815 <nil>
	// grace 1906 <nil>
}
