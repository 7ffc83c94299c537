// Package crashfs is a file layer in memory that crashes as a machine does: what was not synced
// when it stopped is there afterwards, or is not, or is in part, by the throws of a seeded die.
package crashfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// ErrCrashed is what everything gives from the crash on.
var ErrCrashed = errors.New("crashfs: the machine is down")

// An FS is the disk of one machine, up to its crash. All may be called from any goroutine.
type FS struct {
	mu      sync.Mutex          // guards what follows and the inodes
	names   map[string]*inode   // as they are seen
	disk    map[string]*inode   // as they are certain
	renames []rename            // what is not certain yet, in order
	locks   map[string]struct{} // held
	steps   int                 // until the crash; negative if none is to come
	down    bool
}

var _ journal.FS = (*FS)(nil)

// An inode is a file, whatever its name.
type inode struct {
	data   []byte  // as it is seen
	disk   []byte  // as it is certain
	writes []write // what is not certain yet, in order
}

// A write is some bytes at an offset, or with none of them a cut at that offset.
type write struct {
	offset int
	data   []byte
}

// A rename is a change of a directory: from "" it is a new file, to "" a file removed.
type rename struct {
	from, to string
	file     *inode
}

// New gives an empty disk.
func New() *FS {
	return &FS{
		names: make(map[string]*inode), disk: make(map[string]*inode),
		locks: make(map[string]struct{}), steps: -1,
	}
}

// CrashAfter lets the machine crash in the midst of the change that comes after so many others.
func (f *FS) CrashAfter(changes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = changes
}

// Crash lets the machine crash now.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
}

// Down tells whether the machine has crashed.
func (f *FS) Down() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

// step counts a change, and tells whether the machine stands it.
func (f *FS) step() error {
	if f.steps == 0 {
		f.down = true
	}
	f.steps--
	if f.down {
		return ErrCrashed
	}
	return nil
}

// MkdirAll does nothing: a directory is where its files are.
func (f *FS) MkdirAll(string) error { return f.look(func() error { return nil }) }

// look lets something look at the disk, if there still is one.
func (f *FS) look(at func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return ErrCrashed
	}
	return at()
}

// List gives the names of the files in a directory.
func (f *FS) List(dir string) (names []string, err error) {
	err = f.look(func() error {
		for name := range f.names {
			if filepath.Dir(name) == filepath.Clean(dir) {
				names = append(names, filepath.Base(name))
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, err
}

// Open opens a file to be read, as it is now.
func (f *FS) Open(name string) (in io.ReadCloser, size int64, err error) {
	err = f.look(func() error {
		file, err := f.find(name)
		if err != nil {
			return err
		}
		in, size = &reader{fs: f, rest: slices.Clone(file.data)}, int64(len(file.data))
		return nil
	})
	return in, size, err
}

func (f *FS) find(name string) (*inode, error) {
	file, ok := f.names[filepath.Clean(name)]
	if !ok {
		return nil, fmt.Errorf("crashfs: %q: %w", name, fs.ErrNotExist)
	}
	return file, nil
}

// Create makes an empty file, or empties one.
func (f *FS) Create(name string) (journal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	file, exists := f.names[name]
	if err := f.step(); err != nil {
		return nil, err
	}
	if !exists {
		file = new(inode)
		f.names[name] = file
		f.renames = append(f.renames, rename{"", name, file})
	}
	file.cut(0)
	return &handle{f, file}, nil
}

// Append opens a file to write behind its first size bytes.
func (f *FS) Append(name string, size int64) (journal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := f.find(name)
	if err != nil {
		return nil, err
	}
	file.cut(int(size))
	return &handle{f, file}, f.step()
}

func (i *inode) cut(size int) {
	if size < len(i.data) {
		i.data = i.data[:size]
		i.writes = append(i.writes, write{offset: size})
	}
}

// Rename gives a file another name, in the same directory.
func (f *FS) Rename(old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := f.find(old)
	if err != nil {
		return err
	}
	f.move(rename{filepath.Clean(old), filepath.Clean(name), file})
	return f.step()
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := f.find(name)
	if err != nil {
		return err
	}
	f.move(rename{filepath.Clean(name), "", file})
	return f.step()
}

func (f *FS) move(r rename) {
	r.apply(f.names)
	f.renames = append(f.renames, r)
}

func (r rename) apply(names map[string]*inode) {
	if r.from != "" {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

// SyncDir makes certain which names are in a directory.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(); err != nil {
		return err
	}
	f.renames = slices.DeleteFunc(f.renames, func(r rename) bool {
		certain := filepath.Dir(cmp.Or(r.from, r.to)) == filepath.Clean(dir)
		if certain {
			r.apply(f.disk)
		}
		return certain
	})
	return nil
}

// Lock takes a lock, which a crash gives up.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, taken := f.locks[name]; taken {
		return nil, journal.ErrLocked
	}
	f.locks[name] = struct{}{}
	return unlocker{f, name}, nil
}

type unlocker struct {
	fs   *FS
	name string
}

func (u unlocker) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	delete(u.fs.locks, u.name)
	return nil
}

// A handle is a file that is written to.
type handle struct {
	fs   *FS
	file *inode
}

func (h *handle) Write(data []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return 0, ErrCrashed
	}
	w := write{len(h.file.data), slices.Clone(data)}
	h.file.data = append(h.file.data, data...)
	h.file.writes = append(h.file.writes, w)
	if err := h.fs.step(); err != nil {
		return 0, err
	}
	return len(data), nil
}

func (h *handle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.step(); err != nil {
		return err
	}
	h.file.disk, h.file.writes = slices.Clone(h.file.data), nil
	return nil
}

func (h *handle) Close() error { return h.fs.look(func() error { return nil }) }

// A reader reads what a file had when it was opened.
type reader struct {
	fs   *FS
	rest []byte
}

func (r *reader) Read(p []byte) (n int, err error) {
	err = r.fs.look(func() error {
		if n = copy(p, r.rest); n == 0 && len(p) > 0 {
			return io.EOF
		}
		r.rest = r.rest[n:]
		return nil
	})
	return n, err
}

func (r *reader) Close() error { return nil }
