package journal_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

const (
	firstLog  = "00000000000000000001.log"
	secondLog = "00000000000000000002.log"
)

// ends gives where the records of a log lie that has the given ones: behind a header of 16 bytes,
// each behind one of 8.
func ends(records []string) []int {
	at, all := 16, []int{16}
	for _, r := range records {
		at += 8 + len(r)
		all = append(all, at)
	}
	return all
}

// whole gives how many records of a log lie before an offset.
func whole(offsets []int, size int) int {
	n := 0
	for n+1 < len(offsets) && offsets[n+1] <= size {
		n++
	}
	return n
}

func TestOpen_CutsOffAndReportsATornTail(t *testing.T) {
	disk := crashfs.New()
	logged(t, disk, 0, numbered(3)...)
	full, offsets := contents(t, disk, firstLog), ends(numbered(3))
	require.Len(t, full, offsets[3])
	for size := range full {
		put(t, disk, firstLog, full[:size])
		good := whole(offsets, size)
		j, found, records, err := read(journal.Options{FS: disk})
		require.NoError(t, err)
		require.Equal(t, numbered(3)[:good], append([]string{}, records...))
		checkTorn(t, found.Torn, size, offsets[good])

		require.NoError(t, j.Wait(t.Context(), j.Append([]byte("next"))))
		require.NoError(t, j.Close())
		j, records = open(t, journal.Options{FS: disk})
		require.Equal(t, append(numbered(3)[:good:good], "next"), records)
		require.NoError(t, j.Close())
	}
}

// checkTorn checks the report of a log of the given size, of which so much is good.
func checkTorn(t *testing.T, torn *journal.Torn, size, good int) {
	t.Helper()
	switch {
	case size == good:
		require.Nil(t, torn)
	case size < 16:
		require.Equal(t, &journal.Torn{File: dir + "/" + firstLog, Bytes: int64(size)}, torn)
	default:
		require.Equal(t, &journal.Torn{File: dir + "/" + firstLog, Offset: int64(good), Bytes: int64(size - good)}, torn)
	}
}

// The disk may have written what came later, and not what came before.
func TestOpen_ReadsNothingBehindWhatIsTorn(t *testing.T) {
	disk := crashfs.New()
	logged(t, disk, 0, numbered(3)...)
	full, offsets := contents(t, disk, firstLog), ends(numbered(3))
	for at := range full {
		flipped := append([]byte(nil), full...)
		flipped[at] ^= 1
		put(t, disk, firstLog, flipped)
		j, found, records, err := read(journal.Options{FS: disk})
		if at == 7 {
			require.ErrorIs(t, err, journal.ErrVersion, "cut off what another version has written")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, numbered(3)[:whole(offsets, at)], append([]string{}, records...))
		require.NotNil(t, found.Torn)
		require.NoError(t, j.Close())
	}
}

func TestOpen_RefusesDamageThatNoCrashExplains(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, disk *crashfs.FS){
		"a segment that is not the last is torn": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			full := contents(t, disk, firstLog)
			put(t, disk, firstLog, full[:len(full)-1])
		},
		"a segment is missing": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			require.NoError(t, disk.Remove(dir+"/"+secondLog))
		},
		"the first segment is missing": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			require.NoError(t, disk.Remove(dir+"/"+firstLog))
		},
		"a segment has the name of another": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			put(t, disk, secondLog, contents(t, disk, firstLog))
		},
		"a snapshot is cut short": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			full := snapshotOf(t, "state")
			put(t, disk, "00000000000000000002.snap", full[:len(full)-8])
		},
		"a snapshot is longer than it was": func(t *testing.T, disk *crashfs.FS) {
			t.Helper()
			put(t, disk, "00000000000000000002.snap", append(snapshotOf(t, "state"), 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := crashfs.New()
			logged(t, disk, 40, numbered(9)...)
			damage(t, disk)
			_, _, _, err := read(journal.Options{FS: disk})
			var corrupt *journal.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.ErrorContains(t, err, "damaged")
			_, _, _, again := read(journal.Options{FS: disk})
			require.Equal(t, err, again, "something was changed, or the lock kept")
		})
	}
}

// snapshotOf gives the file of a snapshot that stands for one segment.
func snapshotOf(t *testing.T, records ...string) []byte {
	t.Helper()
	disk := crashfs.New()
	j, _ := open(t, journal.Options{FS: disk})
	j.Append([]byte("record"))
	s, err := j.Cut()
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, s.Append([]byte(r)))
	}
	require.NoError(t, s.Commit(t.Context()))
	require.NoError(t, j.Close())
	return contents(t, disk, "00000000000000000002.snap")
}

func TestOpen_GivesTheErrorOfReplay(t *testing.T) {
	disk := crashfs.New()
	logged(t, disk, 0, "record")
	unknown := errors.New("unknown record")
	_, _, err := journal.Open(dir, journal.Options{FS: disk}, func([]byte) error { return unknown })
	require.ErrorIs(t, err, unknown)
	require.ErrorContains(t, err, `"data/00000000000000000001.log" at offset 16`)
	j, records := open(t, journal.Options{FS: disk})
	require.Equal(t, []string{"record"}, records)
	require.NoError(t, j.Close())
}

// A file that was removed leaves its blocks to another, where they may turn up behind the end.
func TestOpen_DoesNotTakeOldBlocksForRecords(t *testing.T) {
	old := crashfs.New()
	logged(t, old, 40, numbered(9)...)
	disk := crashfs.New()
	logged(t, disk, 0, "record 0")
	whole := contents(t, disk, firstLog)
	put(t, disk, firstLog, append(whole, contents(t, old, secondLog)[16:]...))
	j, found, records, err := read(journal.Options{FS: disk})
	require.NoError(t, err)
	require.Equal(t, []string{"record 0"}, records)
	require.EqualValues(t, len(whole), found.Torn.Offset)
	require.NoError(t, j.Close())
}
