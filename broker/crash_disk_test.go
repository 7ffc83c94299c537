package broker_test

import (
	"time"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// A hooked disk calls sync in the place of each Sync of a file.
type hooked struct {
	journal.FS
	sync func(journal.File) error
}

// slow takes its time to sync a file, so that there is always something on its way.
func slow(disk journal.FS, lag time.Duration) journal.FS {
	return hooked{disk, func(f journal.File) error {
		time.Sleep(lag)
		return f.Sync()
	}}
}

// unsynced does not sync files.
func unsynced(disk journal.FS) journal.FS {
	return hooked{disk, func(journal.File) error { return nil }}
}

func (h hooked) Create(name string) (journal.File, error) { return h.hook(h.FS.Create(name)) }

func (h hooked) Append(name string, size int64) (journal.File, error) {
	return h.hook(h.FS.Append(name, size))
}

func (h hooked) hook(f journal.File, err error) (journal.File, error) {
	if err != nil {
		return nil, err
	}
	return hookedFile{f, h}, nil
}

type hookedFile struct {
	journal.File
	of hooked
}

func (f hookedFile) Sync() error { return f.of.sync(f.File) }

// An undirected disk does not sync directories.
type undirected struct{ journal.FS }

func undirect(disk journal.FS) journal.FS { return undirected{disk} }

func (undirected) SyncDir(string) error { return nil }
