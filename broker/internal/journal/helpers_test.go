package journal_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "data"

// read opens the journal and gives what is in it.
func read(opts journal.Options) (j *journal.Journal, found journal.Recovery, records []string, err error) {
	j, found, err = journal.Open(dir, opts, func(record []byte) error {
		records = append(records, string(record))
		return nil
	})
	return j, found, records, err
}

// open is read for a journal at which nothing is wrong.
func open(t *testing.T, opts journal.Options) (*journal.Journal, []string) {
	t.Helper()
	j, found, records, err := read(opts)
	require.NoError(t, err)
	require.Nil(t, found.Torn)
	require.EqualValues(t, len(records), found.Records)
	return j, records
}

// logged makes a log of the given records in segments of the given size, with one wait for each
// record, and closes it.
func logged(t *testing.T, fs journal.FS, segmentSize int64, records ...string) {
	t.Helper()
	j, _ := open(t, journal.Options{FS: fs, SegmentSize: segmentSize})
	for _, r := range records {
		require.NoError(t, j.Wait(t.Context(), j.Append([]byte(r))))
	}
	require.NoError(t, j.Close())
}

// numbered gives so many records.
func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("record %d", i))
	}
	return all
}

// contents gives a file as it is.
func contents(t *testing.T, fs journal.FS, name string) []byte {
	t.Helper()
	in, _, err := fs.Open(dir + "/" + name)
	require.NoError(t, err)
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	return data
}

// put makes a file what it is to be.
func put(t *testing.T, fs journal.FS, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(dir + "/" + name)
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, errors.Join(f.Sync(), f.Close(), fs.SyncDir(dir)))
}

func names(t *testing.T, fs journal.FS) []string {
	t.Helper()
	all, err := fs.List(dir)
	require.NoError(t, err)
	return all
}

// A hooked disk calls sync in the place of each Sync of a file.
type hooked struct {
	*crashfs.FS
	sync func(journal.File) error
}

func (h *hooked) Create(name string) (journal.File, error) { return h.hook(h.FS.Create(name)) }

func (h *hooked) Append(name string, size int64) (journal.File, error) {
	return h.hook(h.FS.Append(name, size))
}

func (h *hooked) hook(f journal.File, err error) (journal.File, error) {
	if err != nil {
		return nil, err
	}
	return hookedFile{f, h}, nil
}

type hookedFile struct {
	journal.File
	fs *hooked
}

func (f hookedFile) Sync() error { return f.fs.sync(f.File) }
