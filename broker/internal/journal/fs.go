package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An FS is the files that a journal needs. Names are paths. What was written, created, renamed or
// removed is certain to outlive a crash of the machine only after [File.Sync], for the data, and
// SyncDir, for the names.
type FS interface {
	// MkdirAll makes a directory with its parents, and the name of it certain.
	MkdirAll(dir string) error
	// List gives the names of the files in a directory, without the directory's.
	List(dir string) ([]string, error)
	// Open opens a file to be read, and tells its size.
	Open(name string) (in io.ReadCloser, size int64, err error)
	// Create makes an empty file, or empties one.
	Create(name string) (File, error)
	// Append opens a file to write behind its first size bytes. What lies there is cut off.
	Append(name string, size int64) (File, error)
	// Rename gives a file another name, which no other file has then.
	Rename(old, name string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes certain which names are in a directory.
	SyncDir(dir string) error
	// Lock takes a lock that no other process holds, until it is closed or the process ends. If
	// another holds it, the error is [ErrLocked].
	Lock(name string) (io.Closer, error)
}

// A File is one to be written, from its beginning to its end.
type File interface {
	io.WriteCloser
	// Sync returns when all that was written is on the disk.
	Sync() error
}

// ErrLocked means that another process has the directory.
var ErrLocked = errors.New("journal: another process uses the directory")

// OS is the files of the operating system.
type OS struct{}

var _ FS = OS{}

// MkdirAll makes a directory with its parents.
func (o OS) MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

// List gives the names of the files in a directory.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Open opens a file to be read.
func (OS) Open(name string) (io.ReadCloser, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Create makes an empty file that only the user of the process can read, or empties one.
func (OS) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// Append opens a file to write behind its first size bytes.
func (OS) Append(name string, size int64) (File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Rename gives a file another name.
func (OS) Rename(old, name string) error { return os.Rename(old, name) }

// Remove removes a file.
func (OS) Remove(name string) error { return os.Remove(name) }
