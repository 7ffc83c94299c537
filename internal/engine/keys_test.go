package engine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// record gives the place of a record: its number is its id, and each delivery has a sequence
// number and a read of its own.
func record(l *ledger, id int, seq, read uint64) keyRef {
	return keyRef{ledger: l, key: "k", id: identity{id: strconv.Itoa(id)}, seq: seq, read: read}
}

// Rule 8, as a story of one key: 1 fails, 2 and 3 turn back, and then the source begins anew.
func TestLedger_TurnsBackWhatFollowsAFailure(t *testing.T) {
	l := &ledger{}
	l.startRead()
	require.False(t, record(l, 1, 1, 1).turnedBack())
	record(l, 1, 1, 1).turnBack()
	require.True(t, record(l, 2, 2, 1).turnedBack())
	require.True(t, record(l, 2, 2, 1).turnedBack(), "asked again, at another stage")
	l.startRead()
	require.True(t, record(l, 3, 3, 2).turnedBack(), "read before the source was told")
	l.told("k")
	require.False(t, record(l, 1, 4, 2).turnedBack(), "the failed one is back, in the read that was in progress")
	require.False(t, record(l, 2, 5, 2).turnedBack())
	require.True(t, record(l, 3, 3, 2).turnedBack(), "an old delivery")
}

// The source gave up the failed record: the first that comes again is one that stood behind it.
func TestLedger_BeginsAnewWithWhateverComesAgain(t *testing.T) {
	l := &ledger{}
	l.startRead()
	record(l, 1, 1, 1).turnBack()
	require.True(t, record(l, 2, 2, 1).turnedBack())
	l.told("k")
	l.startRead()
	require.False(t, record(l, 3, 3, 2).turnedBack(), "read after the source was told of all")

	record(l, 3, 3, 2).turnBack()
	l.startRead()
	require.True(t, record(l, 4, 4, 3).turnedBack(), "the source has not been told")
	l.told("k")
	require.True(t, record(l, 5, 5, 3).turnedBack(), "read before it was, and it stands behind 4")
	require.False(t, record(l, 4, 6, 3).turnedBack())
	require.False(t, record(l, 5, 7, 3).turnedBack())
}

// After a lease has ended, an old copy of a record may turn back after its new one has failed. What
// the new one is known by, in another branch, must not be taken for a third.
func TestLedger_KnowsTheLatestCopyOfARecord(t *testing.T) {
	l := &ledger{}
	l.startRead()
	l.startRead()
	record(l, 1, 3, 2).turnBack()
	record(l, 1, 1, 1).turnBack()
	require.True(t, record(l, 1, 3, 2).turnedBack())
	require.True(t, record(l, 2, 4, 2).turnedBack(), "it stands behind the failure of 1")
}

func TestLedger_ForgetsWhatNoOpenReadCanRunInto(t *testing.T) {
	l := &ledger{}
	l.startRead()
	record(l, 1, 1, 1).turnBack()
	l.forget(9)
	require.True(t, l.any(), "the source has yet to be told")
	l.told("k")
	l.forget(1)
	require.True(t, l.any())
	l.forget(2)
	require.False(t, l.any())
}

func TestGate_LetsOneOfAKeyInAtATime(t *testing.T) {
	var g gate[lane, int]
	a, b := lane{key: "a"}, lane{key: "b"}
	require.False(t, g.wait(a, 1), "there is no one to wait for")
	require.True(t, g.enter(a))
	require.False(t, g.enter(a))
	require.False(t, g.free(a))
	require.True(t, g.wait(a, 2))
	require.True(t, g.wait(a, 3))
	require.True(t, g.free(b), "keys do not wait for one another")
	require.True(t, g.taken())
	for _, want := range []int{2, 3} {
		next, ok := g.leave(a)
		require.True(t, ok)
		require.Equal(t, want, next)
	}
	_, ok := g.leave(a)
	require.False(t, ok)
	require.False(t, g.taken())
}

// A message that was sent twice, since no answer came, is stored as two of one id.
func TestLedger_TakesTwinsForTwo(t *testing.T) {
	l := &ledger{}
	l.startRead()
	first, twin := record(l, 1, 1, 1), record(l, 1, 3, 1)
	first.id.position, twin.id.position = "at 1", "at 3"
	first.turnBack()
	require.True(t, record(l, 2, 2, 1).turnedBack())
	require.True(t, twin.turnedBack(), "not the first one again")
	require.True(t, record(l, 4, 4, 1).turnedBack())
}
