package chaosflow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rocketflow-io/rocketflow/client"
)

// Journal has a line for each delivery: the message's key and the attempt. A line is with the system
// when the delivery goes on, so the journal of a process that was killed has all that it was given.
type Journal struct{ file *os.File }

// OpenJournal opens a file to be added to.
func OpenJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &Journal{file}, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

func (j *Journal) note(_ context.Context, m *client.Message) error {
	if len(m.Keys) != 1 {
		return fmt.Errorf("message %s with keys %q: it is to have one", m.ID, m.Keys)
	}
	if _, err := fmt.Fprintf(j.file, "%s %d\n", m.Keys[0], m.Attempt); err != nil {
		return fmt.Errorf("note a delivery: %w", err)
	}
	return nil
}

// Deliveries is what journals tell.
type Deliveries struct {
	Total   int // of flights
	Flights int // that were delivered
	Again   int // deliveries by an attempt after the first
	Attempt int // the highest
	Others  int // deliveries of what is no flight
}

// String gives the figures in words.
func (d Deliveries) String() string {
	return fmt.Sprintf("%d deliveries of %d flights, %d of them by an attempt after the first, up to the %d.; %d others",
		d.Total, d.Flights, d.Again, d.Attempt, d.Others)
}

// ReadJournals reads those of a folder. The last line of a process that was killed may be torn.
func ReadJournals(dir string) (d Deliveries, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		return d, fmt.Errorf("find the journals: %w", err)
	}
	flights := make(map[int]bool)
	for _, path := range paths {
		if err := d.read(path, flights); err != nil {
			return d, fmt.Errorf("read a journal: %w", err)
		}
	}
	d.Flights = len(flights)
	return d, nil
}

func (d *Deliveries) read(path string, flights map[int]bool) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var flight, attempt int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &flight, &attempt); err != nil {
			return fmt.Errorf("%s: %q: %w", path, lines.Text(), err)
		}
		if flight == 0 {
			d.Others++
			continue
		}
		flights[flight] = true
		d.Total++
		d.Attempt = max(d.Attempt, attempt)
		if attempt > 1 {
			d.Again++
		}
	}
	return lines.Err()
}
