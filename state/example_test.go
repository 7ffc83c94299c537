package state_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/state"
)

// A message is counted once, however often it comes: its id and the count are in one commit.
func Example() {
	ctx := context.Background()
	store := state.NewMemory()
	delays := state.NewTable[string, int]("delays")
	counted := state.Marks{Table: "counted"}

	count := func(id, carrier string) error {
		read, err := delays.Get(ctx, store, carrier)
		if err != nil {
			return err
		}
		var c state.Changes
		counted.Add(&c, id)
		if err := delays.PutIf(&c, read, read.Value+1); err != nil {
			return err
		}
		_, err = store.Commit(ctx, &c)
		return err
	}
	fmt.Println(count("m1", "UA"), count("m2", "UA"))
	fmt.Println(errors.Is(count("m1", "UA"), state.ErrConflict))
	for item, err := range delays.Scan(ctx, store) {
		fmt.Println(item.Key, item.Value, err)
	}
	// Output:
	// <nil> <nil>
	// true
	// UA 2 <nil>
}
