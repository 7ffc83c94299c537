package windowmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

// Result is a result of a window.
type Result = flow.Window[string, []int]

// errWrite is a failure of the table.
var errWrite = errors.New("windowmodel: the table took nothing")

// Table takes the results of all processes. Its writes fail now and then, by the seed.
type Table struct {
	seed uint64

	mu    sync.Mutex
	tries map[string]int
	by    map[*Process][]Result
	all   []Result
}

// NewTable makes a table whose writes fail as a seed says.
func NewTable(seed uint64) *Table {
	return &Table{seed: seed, tries: make(map[string]int), by: make(map[*Process][]Result)}
}

func (t *Table) of(p *Process) stage.Sink[Result] { return sink[Result]{p, t.write} }

// write fails for some results, the first time or two.
func (t *Table) write(p *Process, results []Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range results {
		t.tries[w.Pane()]++
		if n := t.tries[w.Pane()]; n <= 2 && randpipe.Mix(t.seed, randpipe.Hash(w.Pane()), uint64(n))%4 == 0 {
			return errWrite
		}
	}
	t.by[p] = append(t.by[p], results...)
	t.all = append(t.all, results...)
	return nil
}

// Rows gives the numbers of the events of each window as they are in the end, for one who upserts by pane.
func (t *Table) Rows() (map[Span][]int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := make(map[string]Result)
	for _, w := range t.all {
		if old, ok := last[w.Pane()]; !ok || w.Revision >= old.Revision {
			last[w.Pane()] = w
		}
	}
	rows := make(map[Span][]int)
	for _, w := range last {
		if w.Withdrawn {
			continue
		}
		k := Span{w.Key, int(w.Start.Sub(epoch).Seconds()), int(w.End.Sub(epoch).Seconds())}
		if rows[k] != nil {
			return nil, fmt.Errorf("windowmodel: two panes of %v", k)
		}
		rows[k] = slices.Sorted(slices.Values(w.Value))
	}
	return rows, nil
}

// Revisions tells of two results with one revision that differ, and of revisions of a pane that a process
// gave in another order than upwards. Given is how many results there were, and twice how many of them
// had come before.
func (t *Table) Revisions() (given, twice int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	type revision struct {
		pane string
		n    int
	}
	values := make(map[revision]string)
	for _, w := range t.all {
		at, is := revision{w.Pane(), w.Revision}, fmt.Sprint(w)
		if old, ok := values[at]; ok {
			if twice++; old != is {
				return 0, 0, fmt.Errorf("windowmodel: %s and %s have one revision", old, is)
			}
		}
		values[at] = is
	}
	for _, results := range t.by {
		last := make(map[string]int)
		for _, w := range results {
			if w.Revision < last[w.Pane()] {
				return 0, 0, fmt.Errorf("windowmodel: %v came after its revision %d", w, last[w.Pane()])
			}
			last[w.Pane()] = w.Revision
		}
	}
	return len(t.all), twice, nil
}

// Late takes the events that are late.
type Late struct {
	mu  sync.Mutex
	all []Event
}

func (l *Late) of(p *Process) stage.Sink[Event] {
	return sink[Event]{p, func(_ *Process, events []Event) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, events...)
		return nil
	}}
}

// Events gives what was late.
func (l *Late) Events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// sink is a sink as a process sees it.
type sink[T any] struct {
	p     *Process
	write func(p *Process, values []T) error
}

func (s sink[T]) Open(context.Context) (stage.Writer[T], error) { return s, nil }
func (sink[T]) Close(context.Context) error                     { return nil }

func (s sink[T]) Write(_ context.Context, b stage.Batch[T]) error {
	if err := s.p.passes(); err != nil {
		return err
	}
	return errors.Join(s.write(s.p, slices.Clone(b.Values)), s.p.passes())
}
