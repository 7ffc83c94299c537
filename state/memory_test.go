package state_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory_KeepsTheContract(t *testing.T) {
	statetest.Run(t, statetest.Store{Open: func(*testing.T) state.Store { return state.NewMemory() }})
}

// What has expired must not stay in memory, as long as there are commits.
func TestMemory_LetsGoOfWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.NewMemory()
		marks := state.Marks{Table: "ids", Keep: 1000 * time.Second}
		most := 0
		for i := range 20_000 {
			var c state.Changes
			marks.Add(&c, fmt.Sprint(i))
			_, err := s.Commit(t.Context(), &c)
			require.NoError(t, err)
			most = max(most, s.Kept())
			time.Sleep(time.Second)
		}
		require.Less(t, most, 3000, "1,000 of them are there at a time")
	})
}
