package journal_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

var seeds = flag.Uint64("seeds", manySeeds, "how many seeds the tests by seeds try")

// What is found after a crash is a prefix of what was appended, with all that somebody has waited
// for, and all that was found before.
func TestJournal_LosesNothingThatWasWaitedFor(t *testing.T) {
	for seed := range *seeds {
		require.NoError(t, crashes(seed, func(disk *crashfs.FS) journal.FS { return disk }),
			"go test ./broker/internal/journal -run %s -seeds %d finds it, as seed %d", t.Name(), seed+1, seed)
	}
}

// The test above has to find what is wrong with a journal that does not sync.
func TestJournal_LosesRecordsWithoutSync(t *testing.T) {
	for name, mutant := range map[string]func(*crashfs.FS) journal.FS{
		"of files": func(disk *crashfs.FS) journal.FS {
			return &hooked{disk, func(journal.File) error { return nil }}
		},
		"of directories": func(disk *crashfs.FS) journal.FS { return forgetful{disk} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range *seeds {
				if err := crashes(seed, mutant); err != nil {
					t.Logf("found as seed %d: %v", seed, err)
					return
				}
			}
			t.Fatal("nothing was lost")
		})
	}
}

// A forgetful disk does not sync directories.
type forgetful struct{ *crashfs.FS }

func (forgetful) SyncDir(string) error { return nil }

// A world is one disk through some crashes.
type world struct {
	die   *rand.Rand
	disk  *crashfs.FS
	wrap  func(*crashfs.FS) journal.FS
	state []string // all that was appended and can be found yet
	safe  int      // so many of these must be found
	count int      // of all records ever
	relax bool     // nothing is safe before it was found
}

// crashes uses a journal up to five crashes, one after the other, of the machine or of the process
// alone, and tells what is wrong with it.
func crashes(seed uint64, wrap func(*crashfs.FS) journal.FS) error {
	w := &world{die: rand.New(rand.NewPCG(seed, 0)), disk: crashfs.New(), wrap: wrap, relax: seed%4 == 0}
	for crash := range 5 {
		w.disk.CrashAfter(w.die.IntN(50))
		if err := w.live(); err != nil {
			return fmt.Errorf("before crash %d: %w", crash, err)
		}
		if w.die.IntN(3) == 0 { // only the process ends, this time
			w.disk = w.disk.Kill()
		} else {
			w.disk = w.disk.Restart(w.die)
		}
	}
	return w.live()
}

// live opens the journal and uses it until the machine crashes.
func (w *world) live() error {
	opts := journal.Options{FS: w.wrap(w.disk), SegmentSize: 100 + w.die.Int64N(1000)}
	if w.relax {
		opts.SyncEvery = time.Hour
	}
	j, _, found, err := read(opts)
	if err != nil {
		if errors.Is(err, crashfs.ErrCrashed) {
			return nil
		}
		return err
	}
	if len(found) < w.safe || len(found) > len(w.state) || !slices.Equal(found, w.state[:len(found)]) {
		return fmt.Errorf("of %d records, %d safe, are found: %.200q", len(w.state), w.safe, found)
	}
	w.state, w.safe = found, len(found)
	for range 100 {
		if w.disk.Down() {
			break
		}
		if err := w.step(j); err != nil && !errors.Is(err, crashfs.ErrCrashed) {
			return errors.Join(err, j.Close())
		}
	}
	if err := j.Close(); err != nil && !errors.Is(err, crashfs.ErrCrashed) {
		return err
	}
	return nil
}

// step does one of the things that can be done with a journal.
func (w *world) step(j *journal.Journal) error {
	switch w.die.IntN(10) {
	case 0:
		return w.cut(j)
	case 1, 2, 3:
		w.append(j)
		return nil
	}
	n := w.append(j)
	return w.wait(j, n)
}

func (w *world) append(j *journal.Journal) (number int64) {
	for range 1 + w.die.IntN(3) {
		w.count++
		record := fmt.Sprintf("record %d %s", w.count, strings.Repeat("x", w.die.IntN(300)))
		w.state = append(w.state, record)
		number = j.Append([]byte(record))
	}
	return number
}

func (w *world) wait(j *journal.Journal, number int64) error {
	if err := j.Wait(context.Background(), number); err != nil {
		return err
	}
	if !w.relax {
		w.safe = len(w.state)
	}
	return nil
}

// cut makes a snapshot of all, which may be given up in the middle.
func (w *world) cut(j *journal.Journal) error {
	s, err := j.Cut()
	if err != nil {
		return err
	}
	for _, record := range w.state {
		if err := s.Append([]byte(record)); err != nil || w.die.IntN(100) == 0 {
			return errors.Join(err, s.Discard())
		}
	}
	if w.die.IntN(2) == 0 {
		w.append(j)
	}
	return s.Commit(context.Background())
}
