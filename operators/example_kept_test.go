package operators_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

func ExampleAggregateKept() {
	store := state.NewMemory() // a process that is to be restarted needs another
	hourly := operators.AggregateKept[string, trip, int, operators.Window[string, int]](
		counting(operators.Tumbling(time.Hour), operators.EventTime(trip.when, 0)), count(),
		operators.Kept[string, int]{Store: store, Name: "hourly"})
	windows(hourly, trip{"JFK", 5}, trip{"EWR", 50})
	windows(hourly, trip{"JFK", 58}) // another run corrects what the first gave
	// Output:
	// EWR 00:00 01:00 1 <nil>
	// JFK 00:00 01:00 1 <nil>
	// JFK 00:00 01:00 2 <nil>
}

func ExampleAggregateKeptOrLate() {
	op := operators.AggregateKeptOrLate[string, trip, int, operators.Result[string, trip, int]](
		counting(operators.Tumbling(time.Hour), operators.EventTime(trip.when, 10*time.Minute)), count(),
		operators.Kept[string, int]{Store: state.NewMemory(), Name: "hourly"})
	for r, err := range flow.FromSeq(slices.Values([]trip{{"JFK", 5}, {"JFK", 58}})).Via(op).All(context.Background()) {
		fmt.Println(r.Late == nil, r.Window.Start.Format("15:04"), r.Window.Value, err)
	}
	// Output:
	// true 00:00 2 <nil>
}
