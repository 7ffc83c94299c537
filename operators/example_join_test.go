package operators_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
)

// rain is a value of the examples of joins: that it rains at a place, at minutes after 1 May 2024.
type rain struct {
	where string
	at    int
}

func (r rain) when() time.Time { return time.Date(2024, 5, 1, 0, r.at, 0, 0, time.UTC) }

func (r rain) place() string { return r.where }

// delays joins trips with rain up to half an hour before.
func delays(kind operators.JoinKind) operators.Joining[string, trip, rain] {
	return operators.Joining[string, trip, rain]{
		LeftKey: trip.start, RightKey: rain.place, Kind: kind, Within: operators.Within(30*time.Minute, 0),
		LeftClock: operators.EventTime(trip.when, 0), RightClock: operators.EventTime(rain.when, 0),
	}
}

func wet(t *trip, r *rain) string {
	if r == nil {
		return fmt.Sprintf("trip at %d: dry", t.at)
	}
	return fmt.Sprintf("trip at %d: rain at %d", t.at, r.at)
}

// weather is trips and rain in the order in which they come.
func weather(all ...any) flow.Stream[operators.Either[trip, rain]] {
	return flow.FromSeq(slices.Values(all)).Map(func(v any) operators.Either[trip, rain] {
		if r, ok := v.(rain); ok {
			return operators.Either[trip, rain]{Right: r, IsRight: true}
		}
		return operators.Either[trip, rain]{Left: v.(trip)}
	})
}

func ExampleJoin() {
	in := weather(rain{"JFK", 5}, trip{"JFK", 10}, trip{"JFK", 40}, rain{"EWR", 50}, trip{"JFK", 60})
	for v, err := range in.Via(operators.Join(delays(operators.LeftJoin), wet)).All(context.Background()) {
		fmt.Println(v, err)
	}
	// Output:
	// trip at 10: rain at 5 <nil>
	// trip at 40: dry <nil>
	// trip at 60: dry <nil>
}

func ExampleJoinOrLate() {
	in := weather(rain{"JFK", 35}, trip{"JFK", 40}, rain{"JFK", 12})
	op := operators.JoinOrLate(delays(operators.InnerJoin), wet, true, true)
	for r, err := range in.Via(op).All(context.Background()) {
		if r.LateRight != nil {
			fmt.Println("late: rain at", r.LateRight.at, err)
		} else {
			fmt.Println(r.Value, err)
		}
	}
	// Output:
	// trip at 40: rain at 35 <nil>
	// late: rain at 12 <nil>
}

func ExampleWithin() {
	trips := flow.FromSeq(slices.Values([]trip{{"JFK", 20}, {"EWR", 25}})).KeyBy(trip.start)
	rains := flow.FromSeq(slices.Values([]rain{{"JFK", 5}, {"EWR", 30}})).KeyBy(rain.place)
	joined := trips.Join(rains, operators.Within(30*time.Minute, 10*time.Minute),
		operators.EventTime(trip.when, 0), operators.EventTime(rain.when, 0)).DropLate()
	wet := joined.Inner(func(t trip, r rain) string { return fmt.Sprint(t.from, " ", r.at-t.at) })
	for v, err := range wet.All(context.Background()) {
		fmt.Println(v, err)
	}
	// Unordered output:
	// JFK -15 <nil>
	// EWR 5 <nil>
}

func ExampleMergeOrdered() {
	clock := operators.EventTime(trip.when, 10*time.Minute)
	jfk := flow.FromSeq(slices.Values([]trip{{"JFK", 5}, {"JFK", 20}, {"JFK", 12}}))
	ewr := flow.FromSeq(slices.Values([]trip{{"EWR", 8}, {"EWR", 15}}))
	for t, err := range flow.MergeOrdered(clock, jfk, ewr).All(context.Background()) {
		fmt.Println(t.from, t.at, err)
	}
	// Output:
	// JFK 5 <nil>
	// EWR 8 <nil>
	// JFK 12 <nil>
	// EWR 15 <nil>
	// JFK 20 <nil>
}
