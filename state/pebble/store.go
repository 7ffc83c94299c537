// Package pebble keeps state in a directory on disk, by github.com/cockroachdb/pebble, for one process.
//
//	store, err := pebble.Open("/var/lib/flights/state")
//
// Commit returns when its changes have been synced; commits that run at the same time share a sync.
// What is read has been synced too. After a crash the store is as it was after one of its commits: the
// last that has returned, or one that was under way. Where a file is damaged, the store does not open,
// or the read fails, with a [state.CorruptionError] that names the file.
//
// A directory belongs to one process at a time. Members of a consumer group that run as several
// processes get any message of each other's, so they need a store that they share, such as
// state/postgres.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rocketflow-io/rocketflow/state"
)

// Store is an open directory. It implements [state.Store].
type Store struct {
	dir     string
	files   vfs.FS
	db      *db.DB
	log     *slog.Logger
	safe    horizon
	bounded state.Version // that the bound speaks of; of the goroutine of upkeep, and of Close after it
	flushed chan struct{} // a table was written
	layouts sync.Pool     // of *layout
	kept    chan struct{} // closed when the goroutine of upkeep has ended
	end     chan struct{} // closed to end it

	// mu guards what follows, and is held from the check of a commit's conditions until its changes
	// can be read.
	mu      sync.Mutex
	last    state.Version // that was given
	highest highest
	broken  error // why nothing goes on; nil if all is well

	// memory guards what follows. It is taken for moments, also under mu, so that a read need not wait while
	// a commit is made.
	memory   sync.Mutex
	versions versions
	commits  uint64                   // so far
	reads    uint64                   // that have noted versions, so far
	deleted  map[string]state.Version // the last commit that deleted something of a table

	using sync.Mutex // guards what follows
	users int        // calls under way
	idle  chan struct{}
	over  bool // Close was called
}

var _ state.Store = (*Store)(nil)

// Open opens the store in a directory, which is made if it is not there.
func Open(dir string, opts ...Option) (*Store, error) {
	c := config{cache: DefaultCache, memory: 16 << 20, fs: vfs.Default, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&c)
	}
	if c.cache < 0 {
		return nil, fmt.Errorf("state/pebble: cache of %d bytes: it may not be negative", c.cache)
	}
	if err := check(c.fs, dir); err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, files: ordered{c.fs}, log: c.log,
		versions: newVersions(c.cache / 8), deleted: make(map[string]state.Version),
		flushed: make(chan struct{}, 1), kept: make(chan struct{}), end: make(chan struct{}),
	}
	if err := s.open(&c); err != nil {
		return nil, damage(dir, fmt.Errorf("state/pebble: open %q: %w", dir, err))
	}
	go s.upkeep()
	return s, nil
}

func (s *Store) open(c *config) (err error) {
	bound, err := readBound(s.files, s.dir)
	if err != nil {
		return err
	}
	if s.db, err = openDB(s, c); err != nil {
		return err
	}
	err = s.recover()
	if err == nil && s.last < bound {
		err = &state.CorruptionError{File: s.dir, Err: fmt.Errorf("its last version is %d, and up to %d it was safe: the end of the manifest or of the log is damaged", s.last, bound)}
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// recover reads the last version, and empties a store whose restore did not come to its end.
func (s *Store) recover() error {
	restoring, err := s.read(s.db, restoringKey(), func([]byte) error { return nil })
	if err != nil {
		return err
	}
	if restoring {
		s.log.Warn("a restore did not come to its end: the store is empty", "dir", s.dir)
		if err := s.empty(); err != nil {
			return err
		}
	}
	_, err = s.read(s.db, versionKey(), func(b []byte) (err error) {
		s.last, err = decodeVersion(b)
		return err
	})
	s.safe.reached(s.last)
	return err
}

// begin says that a call is under way; it fails if the store is closed or broken.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.using.Lock()
	defer s.using.Unlock()
	if s.over {
		return state.ErrClosed
	}
	s.users++
	return nil
}

// done ends what begin began.
func (s *Store) done() {
	s.using.Lock()
	defer s.using.Unlock()
	if s.users--; s.users == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Close waits for what is under way, and closes the directory. It is not to be called within a Scan.
func (s *Store) Close() error {
	s.using.Lock()
	if s.over {
		s.using.Unlock()
		return nil
	}
	s.over = true
	var idle chan struct{}
	if s.users > 0 {
		idle = make(chan struct{})
		s.idle = idle
	}
	s.using.Unlock()
	if idle != nil {
		<-idle
	}
	close(s.end)
	<-s.kept
	s.mu.Lock()
	broken := s.broken != nil
	s.mu.Unlock()
	return damage(s.dir, safely("close", func() error {
		if broken {
			return s.db.Close()
		}
		return errors.Join(s.bound(), s.db.Close())
	}))
}

// horizon is how far commits are safe.
type horizon struct {
	mu      sync.Mutex
	version state.Version
	err     error         // why no more will be; nil if all is well
	waiting chan struct{} // closed when one of them changes; nil if no one waits
}

// reached notes that a commit, and so each before it, is safe.
func (h *horizon) reached(v state.Version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.version = max(h.version, v)
	h.wakeLocked()
}

// ended notes why no commit will be safe that is not yet.
func (h *horizon) ended(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.wakeLocked()
}

func (h *horizon) wakeLocked() {
	if h.waiting != nil {
		close(h.waiting)
		h.waiting = nil
	}
}

// await waits until a commit is safe.
func (h *horizon) await(ctx context.Context, v state.Version) error {
	for {
		h.mu.Lock()
		if h.version >= v || h.err != nil {
			defer h.mu.Unlock()
			if h.version >= v {
				return nil
			}
			return h.err
		}
		if h.waiting == nil {
			h.waiting = make(chan struct{})
		}
		waiting := h.waiting
		h.mu.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// now gives the time that decides what has expired.
func now() int64 { return time.Now().UnixNano() }
