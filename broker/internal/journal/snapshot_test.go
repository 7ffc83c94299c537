package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

func TestSnapshot_StandsForWhatWasAppendedBeforeItsCut(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk, SegmentSize: 64})
	for _, r := range numbered(20) {
		j.Append([]byte(r))
	}
	s, err := j.Cut()
	require.NoError(t, err)
	j.Append([]byte("after"))
	require.NoError(t, s.Append([]byte("state")))
	require.NoError(t, s.Commit(t.Context()))
	require.NoError(t, j.Close())
	require.Len(t, names(t, disk), 2, "the snapshot and a segment")

	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"state", "after"}, records)
	require.NoError(t, j.Close())
}

func TestSnapshot_IsFollowedByTheNextSegmentHoweverShort(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk, SegmentSize: 1})
	require.NoError(t, j.Wait(t.Context(), j.Append([]byte("before"))))
	s, err := j.Cut()
	require.NoError(t, err)
	require.NoError(t, s.Append([]byte("state")))
	require.NoError(t, s.Commit(t.Context()))
	require.NoError(t, j.Wait(t.Context(), j.Append([]byte("after"))))
	require.NoError(t, j.Close())

	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"state", "after"}, records)
	require.NoError(t, j.Close())
}

func TestSnapshot_OfNothingNewReplacesTheOneBefore(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk})
	for _, state := range []string{"one", "two"} {
		s, err := j.Cut()
		require.NoError(t, err)
		require.NoError(t, s.Append([]byte(state)))
		require.NoError(t, s.Commit(t.Context()))
	}
	require.NoError(t, j.Close())
	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"two"}, records)
	require.NoError(t, j.Close())
}

func TestSnapshot_OfAnEmptyStateIsOne(t *testing.T) {
	disk := crashfs.New()
	logged(t, disk, 0, "forgotten")
	j, _ := open(t, journal.Options{FS: disk})
	s, err := j.Cut()
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context()))
	require.NoError(t, j.Close())
	j, records := open(t, journal.Options{FS: disk})
	require.Empty(t, records)
	require.NoError(t, j.Close())
}

func TestSnapshot_HasNoEffectWhenDiscarded(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk})
	j.Append([]byte("record"))
	s, err := j.Cut()
	require.NoError(t, err)
	_, err = j.Cut()
	require.ErrorIs(t, err, journal.ErrCutting)
	require.NoError(t, s.Append(make([]byte, 2<<20)))
	require.NoError(t, s.Discard())
	_, err = j.Cut()
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NotContains(t, names(t, disk), "00000000000000000002.snap.tmp")

	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"record"}, records)
	require.NoError(t, j.Close())
}

func TestSnapshot_RefusesRecordsOfNoSize(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk})
	j.Append([]byte("record"))
	s, err := j.Cut()
	require.NoError(t, err)
	require.Error(t, s.Append(nil))
	require.Error(t, s.Commit(t.Context()), "committed without a part")
	require.NoError(t, j.Close())
	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"record"}, records)
	require.NoError(t, j.Close())
}

func TestOpen_RemovesWhatASnapshotHasLeft(t *testing.T) {
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk})
	j.Append([]byte("record"))
	s, err := j.Cut()
	require.NoError(t, err)
	require.NoError(t, s.Append([]byte("state")))
	require.NoError(t, s.Commit(t.Context()))
	require.NoError(t, j.Close())
	for _, leftover := range []string{
		"00000000000000000001.log", "00000000000000000001.snap", "00000000000000000003.snap.tmp",
	} {
		put(t, disk, leftover, []byte("not to be read"))
	}
	put(t, disk, "notes.txt", []byte("of somebody else"))

	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"state"}, records)
	require.NoError(t, j.Close())
	require.Equal(t, []string{"00000000000000000002.log", "00000000000000000002.snap", "notes.txt"}, names(t, disk))
}
