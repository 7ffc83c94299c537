package pebble_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
)

// filled gives a directory with tables and a log, as it is when the process is killed or when the store
// is closed, and what is in it.
func filled(t *testing.T, killed bool) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir)
	for i := range 300 {
		commit(t, s, put(fmt.Sprintf("%03d", i), strings.Repeat("value", 20)))
		if i == 100 || i == 200 {
			require.NoError(t, s.Flush())
		}
	}
	want, err := all(t, s)
	require.NoError(t, err)
	at := dir
	if killed {
		at = copied(t, dir)
	}
	require.NoError(t, s.Close())
	return at, want
}

// copied gives a copy of a directory.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// contents opens a store and reads all of it.
func contents(t *testing.T, dir string) ([]string, error) {
	t.Helper()
	s, err := pebble.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(t, s.Close()) }()
	return all(t, s)
}

// What is damaged is either of no use to the store, or refused by the name of the file.
func TestStore_RefusesDamagedFiles(t *testing.T) {
	for _, killed := range []bool{false, true} {
		dir, want := filled(t, killed)
		refused := make(map[string]bool)
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, f := range files {
			whole, err := os.ReadFile(filepath.Join(dir, f.Name()))
			require.NoError(t, err)
			for n := 3; n < len(whole); n += max(1, len(whole)/16) {
				b := slices.Clone(whole)
				b[n] ^= 0x5a
				damaged := copied(t, dir)
				require.NoError(t, os.WriteFile(filepath.Join(damaged, f.Name()), b, 0o600))
				found, err := contents(t, damaged)
				if err != nil {
					requireNamed(t, err, f.Name(), n)
					refused[filepath.Ext(f.Name())] = true
					continue
				}
				// At the end of the log damage is as what a crash leaves.
				last := killed && len(found) >= len(want)-1 && strings.HasSuffix(f.Name(), ".log")
				require.True(t, last || slices.Equal(want, found), "byte %d of %d of %s: %d values of %d are left, and no error", n, len(whole), f.Name(), len(found), len(want))
			}
		}
		require.True(t, refused[".sst"])
		require.True(t, refused[".log"])
	}
}

// requireNamed demands that an error tells of damage, in this file.
func requireNamed(t *testing.T, err error, name string, n int) {
	t.Helper()
	var damage *state.CorruptionError
	require.ErrorAs(t, err, &damage, "byte %d of %s", n, name)
	// A manifest that has lost its end may speak of tables that have gone since, and which of two it is
	// that has lost its end cannot always be said.
	name, _, _ = strings.Cut(name, "-")
	if name != "MANIFEST" && !strings.Contains(err.Error(), "the end of the manifest or of the log is damaged") {
		require.Contains(t, damage.File, name, "byte %d: %v", n, err)
	}
}

func TestOpen_RefusesADirectoryWithoutItsMarker(t *testing.T) {
	dir, _ := filled(t, true)
	markers, err := filepath.Glob(filepath.Join(dir, "marker.manifest.*"))
	require.NoError(t, err)
	require.Len(t, markers, 1)
	require.NoError(t, os.Remove(markers[0]))
	_, err = pebble.Open(dir)
	var damage *state.CorruptionError
	require.ErrorAs(t, err, &damage)
	require.Contains(t, damage.File, dir)
}

func TestOpen_RefusesADirectoryWithoutATable(t *testing.T) {
	dir, _ := filled(t, true)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(tables[0]))
	_, err = pebble.Open(dir)
	requireNamed(t, err, filepath.Base(tables[0]), 0)
}

// A store that has lost its end is whole in itself: what was noted beside it says that there was more.
func TestOpen_RefusesADirectoryThatHasLostCommits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	commit(t, s, put("k", "1"))
	require.NoError(t, s.Close())
	old := copied(t, dir)
	s = open(t, dir)
	commit(t, s, put("k", "2"))
	require.NoError(t, s.Close())
	found, err := contents(t, old)
	require.NoError(t, err)
	require.Equal(t, []string{"k=1"}, found)
	noted, err := os.ReadFile(filepath.Join(dir, "safe"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(old, "safe"), noted, 0o600))
	_, err = pebble.Open(old)
	var damage *state.CorruptionError
	require.ErrorAs(t, err, &damage)
	require.Contains(t, damage.File, old)
}
