// Package book keeps account of the rows of a file on their way through a topic, so that each is
// counted once however often it is delivered, and a job that is killed goes on where it was.
//
// A [Book] hears of a row at four places of the job's pipelines:
//
//   - [Book.Load] numbers the rows of the file, and hears which the topic has;
//   - [Book.Follow] hears which messages are settled, before they are acknowledged;
//   - [Book.Arrived] and [Book.Tally] see the flights themselves;
//   - [Book.Bury] hears which went to the dead letters.
//
// What it hears it writes to a journal. A message is acknowledged only when all that was noted of
// its row is on the disk. A row may be noted twice, after a redelivery; that changes nothing but
// the count of duplicates. So the book of a run can be opened again after any end of the process.
package book

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/examples/internal/journal"
)

// Book is the account of a run. It is safe for concurrent use, and must be closed.
type Book struct {
	journal *journal.Journal
	changed chan struct{} // has one when a count has changed

	mu         sync.Mutex // guards what follows
	file       string     // that the rows are of
	rows       map[int]facts
	counts     [factKinds]int // of rows, by fact
	carriers   map[string]Carrier
	loaded     prefix
	read       int // the last row that Load has numbered
	duplicates int
}

// facts is what is known of a row.
type facts uint8

const (
	rejected facts = 1 << iota // with the dead letters instead of the topic
	dropped                    // no arrival delay
	arrived                    // in the tally
	late                       // in the tally, and late
	dead                       // taken from the topic to the dead letters
	settled                    // all its branches are done
	unacked                    // settled, and the acknowledgement failed
)

const factKinds = 7

// Carrier is the tally of one carrier.
type Carrier struct {
	Flights int // with an arrival delay
	Minutes int // the sum of their delays
}

// Average gives the mean arrival delay in minutes; 0 without flights.
func (c Carrier) Average() float64 {
	if c.Flights == 0 {
		return 0
	}
	return float64(c.Minutes) / float64(c.Flights)
}

// Open opens the book at path, or begins it, for the rows of a file. It fails if it is of another
// file, whose rows have the same numbers. One process may have it open at a time: see
// [journal.Open].
func Open(ctx context.Context, path, file string) (*Book, error) {
	b := &Book{
		changed: make(chan struct{}, 1),
		rows:    make(map[int]facts), carriers: make(map[string]Carrier),
	}
	var err error
	b.journal, err = journal.Open(ctx, path, b.replay)
	if err != nil {
		return nil, err
	}
	b.read = b.loaded.upTo
	if b.file == "" {
		err = b.note(entry{File: file})
	} else if b.file != file {
		err = fmt.Errorf("book: %s is of the file %q, not of %q: choose another -run", path, b.file, file)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close closes the journal. It fails if something could not be noted.
func (b *Book) Close() error { return b.journal.Close() }

// Loaded gives how many rows from the first on are in the topic, or with the dead letters.
func (b *Book) Loaded() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded.upTo
}

// Reload forgets what is loaded and acknowledged, for a topic that is new and empty: all rows are
// to be loaded and acknowledged again. The tally and the other facts stay.
func (b *Book) Reload() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loaded, b.read = prefix{}, 0
	for row, known := range b.rows {
		if known&settled != 0 {
			b.setLocked(row, known|unacked)
		}
	}
}

// Arrived tells whether the flight has an arrival delay, and notes that a row without one is
// dropped.
func (b *Book) Arrived(_ context.Context, f flights.Flight) (bool, error) {
	if f.Arrived() {
		return true, nil
	}
	return false, b.note(entry{Row: f.Row, Fact: factDropped})
}

// Tally adds the flight to its carrier's, unless its row was added before.
func (b *Book) Tally(_ context.Context, f flights.Flight) error {
	return b.note(entry{Row: f.Row, Fact: factArrived, Carrier: f.Carrier, Delay: f.ArrDelay.Value})
}

// Changed has a value when a count has changed since it was last received from.
func (b *Book) Changed() <-chan struct{} { return b.changed }

// An entry is a line of the journal. What the facts are called there is for good.
type entry struct {
	Row     int    `json:"row,omitempty"`
	Fact    string `json:"fact,omitempty"`
	Carrier string `json:"carrier,omitempty"` // of arrived
	Delay   int    `json:"delay,omitempty"`   // of arrived
	Loaded  int    `json:"loaded,omitempty"`  // the rows from the first to this one are loaded
	File    string `json:"file,omitempty"`    // that all of it is about: the first line
}

const (
	factRejected = "rejected"
	factDropped  = "dropped"
	factArrived  = "arrived"
	factDead     = "dead"
	factSettled  = "settled"
)

func (e entry) valid() bool {
	switch e.Fact {
	case "":
		return e.Row == 0 && (e.Loaded > 0) != (e.File != "")
	case factRejected, factDropped, factArrived, factDead, factSettled:
		return e.Row > 0 && e.Loaded == 0 && e.File == ""
	}
	return false
}

// note writes entries to the journal and counts them.
func (b *Book) note(entries ...entry) error {
	lines := make([][]byte, len(entries))
	for i, e := range entries {
		var err error
		if lines[i], err = json.Marshal(e); err != nil {
			return fmt.Errorf("book: row %d: %w", e.Row, err)
		}
	}
	if err := b.journal.Append(lines...); err != nil {
		return err
	}
	b.mu.Lock()
	for _, e := range entries {
		b.countLocked(e)
	}
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default: // nobody has seen the change before this one
	}
	return nil
}

func (b *Book) replay(line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("book: %.80q is not a line of a book: %w", line, err)
	}
	if !e.valid() {
		return fmt.Errorf("book: %.80q is not a line of a book", line)
	}
	b.countLocked(e) // nobody else has the book yet
	return nil
}

// countLocked counts what an entry says, once for each row.
func (b *Book) countLocked(e entry) {
	known := b.rows[e.Row]
	switch e.Fact {
	case "":
		b.loaded.upTo = max(b.loaded.upTo, e.Loaded)
		if e.File != "" {
			b.file = e.File
		}
	case factRejected:
		b.setLocked(e.Row, known|rejected)
	case factDropped:
		b.setLocked(e.Row, known|dropped)
	case factDead:
		b.setLocked(e.Row, known|dead)
	case factArrived:
		b.setLocked(e.Row, known|b.tallyLocked(e, known))
	case factSettled:
		if known&settled != 0 {
			b.duplicates++
		}
		b.setLocked(e.Row, known&^unacked|settled)
	}
}

// setLocked replaces what is known of a row.
func (b *Book) setLocked(row int, known facts) {
	before := b.rows[row]
	b.rows[row] = known
	for i := range factKinds {
		b.counts[i] += int(known>>i&1) - int(before>>i&1)
	}
}

func (b *Book) tallyLocked(e entry, known facts) facts {
	if known&arrived == 0 {
		c := b.carriers[e.Carrier]
		b.carriers[e.Carrier] = Carrier{Flights: c.Flights + 1, Minutes: c.Minutes + e.Delay}
	}
	if e.Delay >= flights.LateFrom {
		return arrived | late
	}
	return arrived
}
