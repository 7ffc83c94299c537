// Package check holds what a run has counted against each other, so that a row that was lost or
// counted twice is found out.
package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/rocketflow-io/rocketflow/examples/internal/book"
)

// Result is what a run has come to.
type Result struct {
	book.Counts
	// Written is how many rows the output file has; Sent how many the topic of late flights has,
	// or -1 if that cannot be known.
	Written, Sent int
	// Backlog is how many messages the group has still to settle, or -1 if that cannot be known.
	Backlog int
}

// Unknown is a count that cannot be known.
const Unknown = -1

// Check fails, for all that is wrong at once, if rows do not add up.
func (r Result) Check() error {
	return errors.Join(
		equal("rows acknowledged", r.Acked, "rows read less those rejected", r.Loaded()),
		equal("rows dropped, with an arrival delay and dead", r.Dropped+r.Arrived+r.Dead, "rows acknowledged", r.Acked),
		equal("rows in the file of late flights", r.Written, "late rows", r.Late),
		known("rows in the topic of late flights", r.Sent, "late rows", r.Late),
		known("backlog of the group", r.Backlog, "nothing", 0),
		equal("flights of all carriers", r.flights(), "rows with an arrival delay", r.Arrived),
	)
}

func (r Result) flights() int {
	sum := 0
	for _, c := range r.Carriers {
		sum += c.Flights
	}
	return sum
}

func known(what string, n int, other string, m int) error {
	if n == Unknown {
		return nil
	}
	return equal(what, n, other, m)
}

func equal(what string, n int, other string, m int) error {
	if n == m {
		return nil
	}
	return fmt.Errorf("check: %s are %d, %s %d: they should be the same", what, n, other, m)
}

// Rows counts the distinct rows of a file of JSON lines that each have a number called row, and
// fails if a line is torn. A file that is not there has none.
func Rows(path string) (int, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("check: %w", err)
	}
	rows := make(map[int]struct{})
	number := 0
	for line := range bytes.Lines(data) {
		number++
		var v struct {
			Row int `json:"row"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return 0, fmt.Errorf("check: %s:%d: the line is torn: %w", path, number, err)
		}
		if v.Row < 1 {
			return 0, fmt.Errorf("check: %s:%d: the line has no row", path, number)
		}
		rows[v.Row] = struct{}{}
	}
	return len(rows), nil
}
