package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

func TestJournal_GivesBackWhatWasAppendedInOrder(t *testing.T) {
	for name, size := range map[string]int64{"in one segment": 0, "in many segments": 64} {
		t.Run(name, func(t *testing.T) {
			disk := crashfs.New()
			logged(t, disk, size, numbered(20)...)
			logged(t, disk, size, "one more")
			j, records := open(t, journal.Options{FS: disk})
			require.Equal(t, append(numbered(20), "one more"), records)
			require.NoError(t, j.Close())
		})
	}
}

func TestJournal_WorksOnTheFilesOfTheSystem(t *testing.T) {
	home := filepath.Join(t.TempDir(), "a", "b")
	for round := range 3 {
		var records []string
		j, found, err := journal.Open(home, journal.Options{}, func(record []byte) error {
			records = append(records, string(record))
			return nil
		})
		require.NoError(t, err)
		require.Nil(t, found.Torn)
		require.Len(t, records, round)
		_, _, err = journal.Open(home, journal.Options{}, nil)
		require.ErrorIs(t, err, journal.ErrLocked)

		require.NoError(t, j.Wait(t.Context(), j.Append([]byte("record"))))
		s, err := j.Cut()
		require.NoError(t, err)
		for range round + 1 {
			require.NoError(t, s.Append([]byte("record")))
		}
		require.NoError(t, s.Commit(t.Context()))
		require.NoError(t, j.Close())
	}
	info, err := os.Stat(home)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others could read what was sent")
}

func TestJournal_SyncsOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int32
		disk, pass := crashfs.New(), make(chan struct{})
		hook := func(f journal.File) error {
			syncs.Add(1)
			<-pass
			return f.Sync()
		}
		go func() { pass <- struct{}{} }() // for the header of the first segment
		j, _ := open(t, journal.Options{FS: &hooked{disk, hook}})
		syncs.Store(0)

		j.Append([]byte("first"))
		synctest.Wait() // it is with the disk
		results := make(chan error, 100)
		for range cap(results) {
			go func() { results <- j.Wait(t.Context(), j.Append([]byte("another"))) }()
		}
		synctest.Wait()
		require.Empty(t, results)
		close(pass)
		for range cap(results) {
			require.NoError(t, <-results)
		}
		require.EqualValues(t, 2, syncs.Load())
		require.NoError(t, j.Close())
	})
}

func TestJournal_WaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := make(chan struct{})
		go func() { pass <- struct{}{} }()
		disk := &hooked{crashfs.New(), func(f journal.File) error { <-pass; return f.Sync() }}
		j, _ := open(t, journal.Options{FS: disk})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, j.Wait(ctx, j.Append([]byte("record"))), context.DeadlineExceeded)
		close(pass)
		require.NoError(t, j.Close())
	})
}

func TestJournal_TakesNothingMoreAfterTheDiskHasFailed(t *testing.T) {
	full := errors.New("no space left")
	fail := false
	disk := &hooked{crashfs.New(), func(f journal.File) error {
		if fail {
			return full
		}
		return f.Sync()
	}}
	j, _ := open(t, journal.Options{FS: disk})
	require.NoError(t, j.Wait(t.Context(), j.Append([]byte("good"))))
	fail = true
	require.ErrorIs(t, j.Wait(t.Context(), j.Append([]byte("bad"))), full)
	fail = false
	// A sync that succeeds after one that failed says nothing of what that one had to write.
	require.ErrorIs(t, j.Wait(t.Context(), j.Append([]byte("late"))), full)
	_, err := j.Cut()
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, j.Close(), full)
	require.ErrorIs(t, j.Close(), full, "said once, then forgotten")
}

func TestJournal_OutlivesADiskThatFailsBetweenTwoSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left")
		fail := false
		disk := &hooked{crashfs.New(), func(f journal.File) error {
			if fail {
				return full
			}
			return f.Sync()
		}}
		j, _ := open(t, journal.Options{FS: disk, SegmentSize: 1, SyncEvery: time.Second})
		require.NoError(t, j.Wait(t.Context(), j.Append([]byte("good"))))
		fail = true
		require.ErrorIs(t, j.Wait(t.Context(), j.Append([]byte("bad"))), full)
		time.Sleep(time.Minute) // in which the segment, closed by now, would have been synced
		require.ErrorIs(t, j.Close(), full)
	})
}

func TestJournal_RefusesRecordsOfNoSize(t *testing.T) {
	j, _ := open(t, journal.Options{FS: crashfs.New()})
	require.ErrorContains(t, j.Wait(t.Context(), j.Append(nil)), "0 bytes")
	require.ErrorContains(t, j.Close(), "0 bytes")
}

func TestJournal_GivesErrClosedWhenClosed(t *testing.T) {
	j, _ := open(t, journal.Options{FS: crashfs.New()})
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Wait(t.Context(), j.Append([]byte("late"))), journal.ErrClosed)
	_, err := j.Cut()
	require.ErrorIs(t, err, journal.ErrClosed)
	require.NoError(t, j.Close())
}

// What is relaxed: the death of the process loses nothing that was waited for, and the disk has all
// after SyncEvery.
func TestJournal_SyncsLaterWhenRelaxed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int32
		disk := crashfs.New()
		hook := &hooked{disk, func(f journal.File) error { syncs.Add(1); return f.Sync() }}
		j, _ := open(t, journal.Options{FS: hook, SyncEvery: time.Minute})
		syncs.Store(0)
		for _, r := range numbered(10) {
			require.NoError(t, j.Wait(t.Context(), j.Append([]byte(r))))
		}
		require.Zero(t, syncs.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, syncs.Load())
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, syncs.Load(), "synced without need")

		require.NoError(t, j.Wait(t.Context(), j.Append([]byte("last"))))
		killed := disk.Kill()
		require.Error(t, j.Close()) // its machine is gone
		again, records := open(t, journal.Options{FS: killed})
		require.Equal(t, append(numbered(10), "last"), records)
		require.NoError(t, again.Close())
	})
}

func TestJournal_AsksForASnapshotWhenItHasGrown(t *testing.T) {
	j, _ := open(t, journal.Options{FS: crashfs.New(), CompactAfter: 1000})
	grow := func(bytes int) {
		require.NoError(t, j.Wait(t.Context(), j.Append([]byte(strings.Repeat("x", bytes)))))
	}
	grow(500)
	require.Empty(t, j.Outgrown())
	grow(500)
	require.Len(t, j.Outgrown(), 1)
	<-j.Outgrown()

	s, err := j.Cut()
	require.NoError(t, err)
	grow(2000)
	require.Empty(t, j.Outgrown(), "one is being made")
	require.NoError(t, s.Append([]byte(strings.Repeat("x", 5000))))
	require.NoError(t, s.Commit(t.Context()))
	grow(2000)
	require.Empty(t, j.Outgrown(), "the snapshot is longer")
	grow(2000)
	require.Len(t, j.Outgrown(), 1)
	require.NoError(t, j.Close())
}
