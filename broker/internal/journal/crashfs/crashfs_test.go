package crashfs_test

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// write makes a file of two parts, of which the first is synced.
func write(t *testing.T, disk *crashfs.FS, synced, rest string) {
	t.Helper()
	f, err := disk.Create("dir/file")
	require.NoError(t, err)
	_, err = f.Write([]byte(synced))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	_, err = f.Write([]byte(rest))
	require.NoError(t, err)
}

// read gives a file; "" if there is none.
func read(t *testing.T, disk *crashfs.FS) string {
	t.Helper()
	in, size, err := disk.Open("dir/file")
	if err != nil {
		return ""
	}
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Len(t, data, int(size))
	return string(data)
}

// outcomes gives what is left of a file after crashes by many seeds.
func outcomes(t *testing.T, syncDir bool) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for seed := range uint64(200) {
		disk := crashfs.New()
		write(t, disk, "synced", "rest")
		if syncDir {
			require.NoError(t, disk.SyncDir("dir"))
		}
		all[read(t, disk.Restart(rand.New(rand.NewPCG(seed, 0))))] = true
	}
	return all
}

func TestRestart_KeepsWhatWasSyncedAndPerhapsMore(t *testing.T) {
	all := outcomes(t, true)
	require.Contains(t, all, "synced")
	require.Contains(t, all, "syncedrest")
	for data := range all {
		require.Equal(t, "synced", data[:6])
	}
	require.Greater(t, len(all), 2, "the rest is never torn")
}

func TestRestart_LosesAFileWhoseDirectoryWasNotSynced(t *testing.T) {
	all := outcomes(t, false)
	require.Contains(t, all, "")
	require.Contains(t, all, "synced")
}

func TestKill_KeepsWhatTheSystemWasGiven(t *testing.T) {
	disk := crashfs.New()
	write(t, disk, "synced", "rest")
	after := disk.Kill()
	require.Equal(t, "syncedrest", read(t, after))
	_, err := disk.List("dir")
	require.ErrorIs(t, err, crashfs.ErrCrashed)
}

func TestFS_CrashesAfterSoManyChanges(t *testing.T) {
	disk := crashfs.New()
	disk.CrashAfter(4)
	write(t, disk, "in four", "changes")
	require.False(t, disk.Down())
	require.ErrorIs(t, disk.SyncDir("dir"), crashfs.ErrCrashed)
	require.True(t, disk.Down())
	_, err := disk.Create("dir/other")
	require.ErrorIs(t, err, crashfs.ErrCrashed)
}

func TestFS_LocksOnce(t *testing.T) {
	disk := crashfs.New()
	held, err := disk.Lock("dir/lock")
	require.NoError(t, err)
	_, err = disk.Lock("dir/lock")
	require.ErrorIs(t, err, journal.ErrLocked)
	require.NoError(t, held.Close())
	_, err = disk.Lock("dir/lock")
	require.NoError(t, err)
}
