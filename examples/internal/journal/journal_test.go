package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reopen gives the lines that are found in the journal.
func reopen(t *testing.T, path string) (*Journal, []string) {
	t.Helper()
	var lines []string
	j, err := Open(t.Context(), path, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	require.NoError(t, err)
	return j, lines
}

func TestJournal_GivesBackWhatWasAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "journal")
	j, lines := reopen(t, path)
	require.Empty(t, lines)
	require.NoError(t, j.Append([]byte("a"), []byte("b")))
	require.NoError(t, j.Append())
	require.NoError(t, j.Close())

	j, lines = reopen(t, path)
	require.Equal(t, []string{"a", "b"}, lines)
	require.NoError(t, j.Append([]byte("c")))
	data, err := os.ReadFile(path) // without Sync and Close: the process may be killed
	require.NoError(t, err)
	require.Equal(t, "a\nb\nc\n", string(data))
	require.NoError(t, j.Close())
}

func TestOpen_WaitsForAnotherToLetGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first, _ := reopen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, path, nil)
	require.ErrorContains(t, err, path+`": another process uses it`)
	require.ErrorIs(t, err, context.Canceled)

	opened := make(chan error)
	var second *Journal
	go func() {
		var err error
		second, err = Open(t.Context(), path, func([]byte) error { return nil })
		opened <- err
	}()
	require.NoError(t, first.Append([]byte("a")))
	require.NoError(t, first.Close())
	require.NoError(t, <-opened)
	require.NoError(t, second.Close())
}

// File locks do not block for long, so the time may be virtual.
func TestOpen_GivesUpWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first, _ := reopen(t, path)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Open(t.Context(), path, nil)
		require.ErrorIs(t, err, errInUse)
		require.Equal(t, Patience, time.Since(began))
	})
	require.NoError(t, first.Close())
}

func TestOpen_CutsOffATornLastLine(t *testing.T) {
	whole := "first\nsecond\nthird\n"
	for cut := range len(whole) {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, []byte(whole[:cut]), 0o600))
		j, lines := reopen(t, path)
		require.Len(t, lines, strings.Count(whole[:cut], "\n"), cut)
		require.NoError(t, j.Append([]byte("next")))
		require.NoError(t, j.Close())

		j, again := reopen(t, path)
		require.Equal(t, append(lines, "next"), again, cut)
		require.NoError(t, j.Close())
	}
}

func TestOpen_NamesTheLineThatCannotBeReplayed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(path, []byte("good\nbad\n"), 0o600))
	_, err := Open(t.Context(), path, func(line []byte) error {
		if string(line) == "bad" {
			return errors.New("cannot be read")
		}
		return nil
	})
	require.ErrorContains(t, err, path+":2: cannot be read")
}

func TestOpen_FailsWhereThereCanBeNoFile(t *testing.T) {
	_, err := Open(t.Context(), t.TempDir(), nil)
	require.ErrorContains(t, err, "journal: ")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(t.Context(), filepath.Join(file, "journal"), nil)
	require.ErrorContains(t, err, "journal: ")
}

// Behind a write that failed, half a line may stand; what followed would be glued to it.
func TestJournal_WritesNothingAfterAFailure(t *testing.T) {
	j, _ := reopen(t, filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, j.file.Close())
	err := j.Append([]byte("a"))
	require.ErrorIs(t, err, os.ErrClosed)
	require.Equal(t, err, j.Append([]byte("b")))
	require.Equal(t, err, j.Sync())
	require.ErrorIs(t, j.Close(), os.ErrClosed)
}

func FuzzOpen_KeepsWholeLinesAndNothingElse(f *testing.F) {
	f.Add([]byte("a\nb\n"))
	f.Add([]byte("a\nb"))
	f.Add([]byte("\n\n\r\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		j, lines := reopen(t, path)
		require.NoError(t, j.Append([]byte("end")))
		require.NoError(t, j.Close())

		whole := string(data[:strings.LastIndexByte(string(data), '\n')+1])
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole+"end\n", string(left))
		require.Equal(t, whole, strings.Join(append(lines, ""), "\n"))
	})
}
