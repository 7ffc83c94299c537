package operators_test

import (
	"context"
	"fmt"

	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

func ExampleJoinTable() {
	dry := func(r rain) bool { return r.at < 0 }
	op := operators.JoinTable(operators.TableJoining[string, trip, rain]{
		Key: trip.start, RowKey: rain.place, Kind: operators.LeftJoin,
		// A process that is to be restarted needs another store.
		Table: operators.KeptTable[string, rain]{Store: state.NewMemory(), Name: "rain", Values: rains{}, Deletes: dry},
	}, func(t trip, r *rain) string { return wet(&t, r) })
	in := weather(trip{"JFK", 10}, rain{"JFK", 12}, trip{"JFK", 20}, rain{"JFK", -1}, trip{"JFK", 30})
	// One at a time: values that come together find the changes that come with them.
	for v, err := range in.Throttle(100, 1).Via(op).All(context.Background()) {
		fmt.Println(v, err)
	}
	// Output:
	// trip at 10: dry <nil>
	// trip at 20: rain at 12 <nil>
	// trip at 30: dry <nil>
}

// rains encodes rain, whose fields JSON does not see.
type rains struct{}

func (rains) Append(dst []byte, r rain) ([]byte, error) {
	return fmt.Appendf(dst, "%s %d", r.where, r.at), nil
}

func (rains) Decode(b []byte) (r rain, err error) {
	_, err = fmt.Sscan(string(b), &r.where, &r.at)
	return r, err
}
