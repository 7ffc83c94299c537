// Package drain runs a pipeline until a book says that nothing is left to do.
package drain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/examples/internal/book"
	"github.com/rocketflow-io/rocketflow/flow"
)

// Patience is how long a run may go on without progress.
const Patience = 60 * time.Second

// shownRows is how many missing rows an error names.
const shownRows = 10

// StuckError tells that rows which the topic has do not come, or do not get through.
type StuckError struct {
	Patience time.Duration
	Missing  int   // how many rows
	First    []int // the first of them
}

// Error names the first rows that are missing.
func (e *StuckError) Error() string {
	rows := strings.Trim(strings.ReplaceAll(fmt.Sprint(e.First), " ", ", "), "[]")
	if e.Missing > len(e.First) {
		rows += ", …"
	}
	return fmt.Sprintf("drain: no progress for %v: %d rows are missing: %s: they may be leased to a process that was killed: run again with the same -run when -lease has passed",
		e.Patience, e.Missing, rows)
}

// Run runs the pipeline, unless nothing is left to do, and drains it when each row that the topic
// has is acknowledged. Without one more of them for the length of patience it fails with a
// [*StuckError]. When ctx ends before, the pipeline is drained, and the error wraps the cause of
// ctx.
func Run(ctx context.Context, p *flow.Pipeline, b *book.Book, patience time.Duration, opts ...flow.RunOption) error {
	if left(b) == 0 {
		return nil
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(running, opts...) }()

	end, ended := watch(b, patience, ran)
	if !ended {
		stop()
		if err := <-ran; err != nil {
			return err
		}
	}
	if n := left(b); end == nil && n > 0 {
		return fmt.Errorf("drain: ended with %d rows to go: run again with the same -run: %w", n, context.Cause(ctx))
	}
	return end
}

// watch waits until nothing is left, or nothing moves, or the pipeline has ended by itself.
func watch(b *book.Book, patience time.Duration, ran <-chan error) (err error, ended bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for before := left(b); before > 0; {
		select {
		case err := <-ran:
			return err, true
		case <-b.Changed():
			if now := left(b); now < before {
				before = now
				timer.Reset(patience)
			}
		case <-timer.C:
			return &StuckError{Patience: patience, Missing: left(b), First: b.Missing(shownRows)}, false
		}
	}
	return nil, false
}

func left(b *book.Book) int {
	acked, loaded := b.Progress()
	return loaded - acked
}
