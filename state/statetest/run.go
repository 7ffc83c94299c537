package statetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
)

// Store is a store to be tested.
type Store struct {
	// Open gives a new, empty store. The test closes it.
	Open func(t *testing.T) state.Store
	// Reopen opens again what a store had that was closed; nil if nothing is left of it then.
	Reopen func(t *testing.T, closed state.Store) state.Store
	// Share gives a second store on what an open one has, as another process has it; nil if there is
	// no such thing. The test closes it.
	Share func(t *testing.T, s state.Store) state.Store
}

// Run tests what package state promises of stores.
func Run(t *testing.T, s Store) {
	t.Helper()
	for _, g := range []struct {
		name      string
		guarantee func(t *testing.T, s Store)
	}{
		{"what was committed is there, and nothing else", readsWhatWasCommitted},
		{"keys and values may be empty, large and of any bytes", takesAnyBytes},
		{"a commit makes all of its changes or none", commitsAllOrNothing},
		{"an id is marked once, in the commit of what came of it", marksOnce},
		{"a write whose version is gone is refused", refusesOldVersions},
		{"a version never comes again", neverRepeatsAVersion},
		{"writes of one commit take effect in order", writesInOrder},
		{"what no store takes is refused", refusesWhatIsInvalid},
		{"a commit keeps nothing of what it was given", keepsNothing},
		{"what has expired is absent", inBubble(expires)},
		{"a scan is in the order of the keys", scansInOrder},
		{"a scan is of one moment, and the store may be used meanwhile", scansOneMoment},
		{"a snapshot is restored as it was", inBubble(restores)},
		{"a damaged snapshot is refused, and leaves nothing", refusesDamagedSnapshots},
		{"a snapshot is restored into an empty store alone", restoresIntoEmptyAlone},
		{"what was committed is there after a restart", outlivesARestart},
		{"no change is lost, whoever makes some", losesNoUpdate},
		{"a context that has ended ends what is done", mindsTheContext},
		{"a store that is closed says so", saysThatItIsClosed},
		{"random changes have the effects of a plain model", equalsAModel},
	} {
		t.Run(g.name, func(t *testing.T) { g.guarantee(t, s) })
	}
}

// inBubble runs a test in virtual time.
func inBubble(guarantee func(t *testing.T, s Store)) func(t *testing.T, s Store) {
	return func(t *testing.T, s Store) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { guarantee(t, s) })
	}
}

// open gives a store that is closed with the test.
func (s Store) open(t *testing.T) state.Store {
	t.Helper()
	return closed(t, s.Open(t))
}

// closed sees to it that a store is closed when the test ends.
func closed(t *testing.T, s state.Store) state.Store {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// put gives a write of a value, whatever is there.
func put(table, key, value string) state.Write {
	return state.Write{Table: table, Key: []byte(key), Value: []byte(value)}
}

// remove gives a write that deletes, whatever is there.
func remove(table, key string) state.Write {
	return state.Write{Table: table, Key: []byte(key), Delete: true}
}

// provided gives the write with a version that must be there.
func provided(v state.Version, w state.Write) state.Write {
	w.If = v
	return w
}

func commit(t *testing.T, s state.Store, writes ...state.Write) state.Version {
	t.Helper()
	v, err := s.Commit(t.Context(), &state.Changes{Writes: writes})
	require.NoError(t, err)
	return v
}

// conflict demands that a commit fails, by the writes at these places.
func conflict(t *testing.T, s state.Store, places []int, writes ...state.Write) {
	t.Helper()
	_, err := s.Commit(t.Context(), &state.Changes{Writes: writes})
	var c *state.ConflictError
	require.ErrorAs(t, err, &c)
	require.ErrorIs(t, err, state.ErrConflict)
	require.Equal(t, places, c.Writes)
}

func get(t *testing.T, s state.Store, table, key string) state.Entry {
	t.Helper()
	entries, err := s.Get(t.Context(), table, []byte(key))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return entries[0]
}

// text gives an entry as "key=value"; "key absent" if there is nothing.
func text(e state.Entry) string {
	if !e.Found() {
		return fmt.Sprintf("%s absent", e.Key)
	}
	return fmt.Sprintf("%s=%s", e.Key, e.Value)
}

// scan gives what a table has, as text.
func scan(t *testing.T, s state.Store, table string, r state.Range) []string {
	t.Helper()
	all := []string{}
	for e, err := range s.Scan(t.Context(), table, r) {
		require.NoError(t, err)
		all = append(all, text(e))
	}
	return all
}

func snapshot(t *testing.T, s state.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.Snapshot(t.Context(), &b))
	return b.Bytes()
}

func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
