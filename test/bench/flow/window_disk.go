package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
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

// measureWindowOnDisk compares a count per key, in windows kept on disk, with bare batches of what it has to
// write: of each commit the ids of its records, and one row for each key that it touches. The batches are
// as large as our commits were, and as many are synced.
func measureWindowOnDisk(ctx context.Context, w io.Writer, s sizes) error {
	var us, bare, over, aa, sizesOf []float64
	for range s.rounds {
		var commits []int
		var err error
		us = append(us, timed(diskRecords, func() { commits, err = countOnDisk(ctx) }))
		if err != nil {
			return err
		}
		bare = append(bare, timed(diskRecords, func() { err = writeBare(commits) }))
		if err != nil {
			return err
		}
		again := timed(diskRecords, func() { err = writeBare(commits) })
		if err != nil {
			return err
		}
		over = append(over, last(us)/last(bare))
		aa = append(aa, again/last(bare))
		sizesOf = append(sizesOf, float64(diskRecords)/float64(len(commits)))
	}
	_, err := fmt.Fprintf(w, "# window on disk: %d keys; %.0f records a commit; ns a record, medians: bare batches %.0f, rocketflow %.0f\n%s%s",
		diskKeys, ratio.Median(sizesOf), ratio.Median(bare), ratio.Median(us),
		ratio.Line("window-disk-us-over-bare", over, 2), ratio.Line("window-disk-aa", aa, 2))
	return err
}

// diskKey scatters numbers over the keys.
func diskKey(x int) int { return keyOf(x) % diskKeys }

// countOnDisk counts in windows, and tells how many records each commit had that had any.
func countOnDisk(ctx context.Context) (commits []int, err error) {
	err = inFolder(func(dir string) error {
		store, err := pebble.Open(dir)
		if err != nil {
			return err
		}
		counting := &countingStore{Store: store}
		src := &numbers{n: diskRecords, named: true}
		counted := 0
		err = flow.From[int](src).
			KeyBy(diskKey).
			Window(flow.Tumbling(time.Hour), flow.EventTime(timeOf, time.Second)).
			DropLate().
			KeptIn(counting, "counts").
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
		commits = counting.commits
		return err
	})
	return commits, err
}

// countingStore counts the records of each commit.
type countingStore struct {
	state.Store

	mu      sync.Mutex
	commits []int
}

func (s *countingStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	records := 0
	for i := range c.Writes {
		if strings.HasSuffix(c.Writes[i].Table, ".ids") {
			records++
		}
	}
	v, err := s.Store.Commit(ctx, c)
	if records > 0 && err == nil {
		s.mu.Lock()
		s.commits = append(s.commits, records)
		s.mu.Unlock()
	}
	return v, err
}

// writeBare writes what counting needs, in batches of so many records.
func writeBare(commits []int) error {
	return inFolder(func(dir string) error {
		bare, err := db.Open(dir, &db.Options{MemTableSize: 16 << 20, Logger: quiet{}})
		if err != nil {
			return err
		}
		counts := make(map[int]int)
		next := 0
		for _, records := range commits {
			if err := writeBatch(bare, counts, next, records); err != nil {
				return err
			}
			next += records
		}
		return bare.Close()
	})
}

// writeBatch writes ids of 16 bytes, and rows of as many bytes as ours: the window, and the count.
func writeBatch(bare *db.DB, counts map[int]int, next, records int) error {
	batch := bare.NewBatch()
	touched := make(map[int]bool, records)
	key := make([]byte, 0, 32)
	for x := next; x < next+records; x++ {
		key = binary.BigEndian.AppendUint64(append(key[:0], "ids"...), uint64(x)*0x9e3779b97f4a7c15)
		if err := batch.Set(binary.BigEndian.AppendUint64(key, uint64(x)), nil, nil); err != nil {
			return err
		}
		counts[diskKey(x)]++
		touched[diskKey(x)] = true
	}
	row := make([]byte, 40)
	for k := range touched {
		key = binary.BigEndian.AppendUint64(append(key[:0], "rows"...), uint64(k))
		binary.BigEndian.PutUint64(row[32:], uint64(counts[k]))
		if err := batch.Set(key, row, nil); err != nil {
			return err
		}
	}
	return batch.Commit(db.Sync)
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
