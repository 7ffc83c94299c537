package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"time"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// diskKeys is how many keys there are on disk, and diskRecords of how many records.
const (
	diskKeys    = 100_000
	diskRecords = 2 * diskKeys
)

// measureWindowOnDisk compares a count per key, in windows kept on disk, with bare batches: of the same
// writes, with as many syncs; and of the least that counting could write, of each commit the ids of its
// records and one row for each key that it touches. Neither checks a version, tells what has expired, or
// reads anything.
func measureWindowOnDisk(ctx context.Context, w io.Writer, s sizes) error {
	commits, err := countOnDisk(ctx, true)
	if err != nil {
		return err
	}
	var us, same, least, overSame, overLeast, aa []float64
	for range s.rounds {
		for _, m := range []struct {
			into *[]float64
			f    func() error
		}{
			{&us, func() error { _, err := countOnDisk(ctx, false); return err }},
			{&same, func() error { return writeBare(commits, sameWrites) }},
			{&same, func() error { return writeBare(commits, sameWrites) }},
			{&least, func() error { return writeBare(commits, leastWrites()) }},
		} {
			var err error
			*m.into = append(*m.into, timed(diskRecords, func() { err = m.f() }))
			if err != nil {
				return err
			}
		}
		first := same[len(same)-2]
		overSame = append(overSame, last(us)/first)
		overLeast = append(overLeast, last(us)/last(least))
		aa = append(aa, last(same)/first)
	}
	writes := 0
	for _, c := range commits {
		for range c.writes() {
			writes++
		}
	}
	_, err = fmt.Fprintf(w, "# window on disk: %d keys, %d commits, %.1f writes a record; ns a record, medians: bare batches of them %.0f, of the least %.0f, rocketflow %.0f\n%s%s%s",
		diskKeys, len(commits), float64(writes)/diskRecords, ratio.Median(same), ratio.Median(least), ratio.Median(us),
		ratio.Line("window-disk-us-over-bare", overSame, 2), ratio.Line("window-disk-us-over-least", overLeast, 2),
		ratio.Line("window-disk-aa", aa, 2))
	return err
}

// diskKey scatters numbers over the keys.
func diskKey(x int) int { return keyOf(x) % diskKeys }

// commit is what was written at a time. It is bytes alone: were it the writes, with all that they point to, a
// collector would go through those of all commits again and again while it is measured what made them.
type commit struct {
	records int // that it has counted
	packed  []byte
}

// pack adds a write: whether it deletes, and its place and value with their lengths.
func (c *commit) pack(w state.Write) {
	deletes := byte(0)
	if w.Delete {
		deletes = 1
	}
	c.packed = append(c.packed, deletes)
	c.packed = binary.AppendUvarint(c.packed, uint64(len(w.Table)+len(w.Key)))
	c.packed = append(append(c.packed, w.Table...), w.Key...)
	c.packed = binary.AppendUvarint(c.packed, uint64(len(w.Value)))
	c.packed = append(c.packed, w.Value...)
}

// bareWrite is a write with its place in a database without tables.
type bareWrite struct {
	deletes    bool
	key, value []byte
}

func (c *commit) writes() iter.Seq[bareWrite] {
	return func(yield func(bareWrite) bool) {
		for rest := c.packed; len(rest) > 0; {
			w := bareWrite{deletes: rest[0] == 1}
			w.key, rest = unpack(rest[1:])
			if w.value, rest = unpack(rest); !yield(w) {
				return
			}
		}
	}
}

func unpack(b []byte) (part, rest []byte) {
	n, size := binary.Uvarint(b)
	b = b[size:]
	return b[:n:n], b[n:]
}

// countOnDisk counts in windows, and gives what was written for it if that is to be noted.
func countOnDisk(ctx context.Context, note bool) (commits []commit, err error) {
	err = inFolder(func(dir string) error {
		store, err := pebble.Open(dir)
		if err != nil {
			return err
		}
		noting := &notingStore{Store: store}
		kept := state.Store(store)
		if note {
			kept = noting
		}
		src := &numbers{n: diskRecords, named: true}
		counted := 0
		err = flow.From[int](src).
			KeyBy(diskKey).
			Window(flow.Tumbling(time.Hour), flow.EventTime(timeOf, time.Second)).
			DropLate().
			KeptIn(kept, "counts").
			Agg(func() int { return 0 }, func(n, _ int) int { return n + 1 }).
			Map(func(w flow.Window[int, int]) int { counted += w.Value; return 0 }).
			To(discard{}).Run(ctx)
		if err == nil {
			err = src.check()
		}
		if err == nil && counted != diskRecords {
			err = fmt.Errorf("bench: %d records were counted, of %d", counted, diskRecords)
		}
		if closed := store.Close(); err == nil {
			err = closed
		}
		commits = noting.commits
		return err
	})
	return commits, err
}

// notingStore notes what is written.
type notingStore struct {
	state.Store

	mu      sync.Mutex
	commits []commit
}

func (s *notingStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	var noted commit
	for _, w := range c.Writes {
		if strings.HasSuffix(w.Table, ".ids") {
			noted.records++
		}
		noted.pack(w)
	}
	v, err := s.Store.Commit(ctx, c)
	if err == nil {
		s.mu.Lock()
		s.commits = append(s.commits, noted)
		s.mu.Unlock()
	}
	return v, err
}

// writeBare writes a batch for each commit, and syncs it.
func writeBare(commits []commit, fill func(*db.Batch, commit) error) error {
	return inFolder(func(dir string) error {
		bare, err := db.Open(dir, &db.Options{MemTableSize: 16 << 20, Logger: quiet{}})
		if err != nil {
			return err
		}
		for _, c := range commits {
			batch := bare.NewBatch()
			if err := fill(batch, c); err != nil {
				return err
			}
			if batch.Empty() {
				continue
			}
			if err := batch.Commit(db.Sync); err != nil {
				return err
			}
		}
		return bare.Close()
	})
}

// sameWrites puts into a batch what was written.
func sameWrites(batch *db.Batch, c commit) error {
	for w := range c.writes() {
		var err error
		if w.deletes {
			err = batch.Delete(w.key, nil)
		} else {
			err = batch.Set(w.key, w.value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leastWrites puts into batches ids of 16 bytes, and rows of as many bytes as ours: the window, and the
// count.
func leastWrites() func(*db.Batch, commit) error {
	counts, next := make(map[int]int), 0
	return func(batch *db.Batch, c commit) error {
		touched := make(map[int]bool, c.records)
		key := make([]byte, 0, 32)
		for range c.records {
			key = binary.BigEndian.AppendUint64(append(key[:0], "ids"...), uint64(next)*0x9e3779b97f4a7c15)
			if err := batch.Set(binary.BigEndian.AppendUint64(key, uint64(next)), nil, nil); err != nil {
				return err
			}
			counts[diskKey(next)]++
			touched[diskKey(next)] = true
			next++
		}
		row := make([]byte, 40)
		for k := range touched {
			key = binary.BigEndian.AppendUint64(append(key[:0], "rows"...), uint64(k))
			binary.BigEndian.PutUint64(row[32:], uint64(counts[k]))
			if err := batch.Set(key, row, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

// inFolder runs f with a folder that is empty, and gone afterwards.
func inFolder(f func(dir string) error) error {
	dir, err := os.MkdirTemp("", "bench-window")
	if err != nil {
		return err
	}
	err = f(dir)
	if gone := os.RemoveAll(dir); err == nil {
		err = gone
	}
	return err
}

// quiet takes what the database tells.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
