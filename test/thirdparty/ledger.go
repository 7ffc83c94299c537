package thirdparty

import (
	"context"
	"fmt"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Ledger is a sink in memory that writes each entry once: an entry written before counts as written.
type Ledger[T comparable] struct {
	refuse func(T) error

	mu      sync.Mutex // guards what follows
	entries []T
	known   map[T]bool
}

// NewLedger makes a ledger that refuses the entries for which refuse gives an error; nil refuses
// none.
func NewLedger[T comparable](refuse func(T) error) *Ledger[T] {
	if refuse == nil {
		refuse = func(T) error { return nil }
	}
	return &Ledger[T]{refuse: refuse, known: make(map[T]bool)}
}

var (
	_ stage.Sink[int]     = (*Ledger[int])(nil)
	_ stage.SinkDescriber = (*Ledger[int])(nil)
	_ stage.Writer[int]   = ledgerWriter[int]{}
)

// Entries gives what is written, in order.
func (l *Ledger[T]) Entries() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.entries...)
}

// SinkTraits says that a key stops at its first failure.
func (l *Ledger[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "ledger", OrderedKeys: true}
}

// Open gives a writer.
func (l *Ledger[T]) Open(context.Context) (stage.Writer[T], error) { return ledgerWriter[T]{l}, nil }

type ledgerWriter[T comparable] struct{ ledger *Ledger[T] }

// Write writes what is not refused. A refusal stops the entries of its key that follow (rule 8).
func (w ledgerWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	var failed stage.BatchError
	stopped := make(map[string]error)
	for i, v := range b.Values {
		key := b.At(i).Key
		err := stopped[key]
		if err == nil {
			err = l.refuse(v)
		}
		switch {
		case err != nil:
			failed.Fail(i, fmt.Errorf("thirdparty: ledger: entry refused: %w", err))
			if key != "" {
				stopped[key] = err
			}
		case !l.known[v]:
			l.known[v] = true
			l.entries = append(l.entries, v)
		}
	}
	return failed.OrNil()
}

// Close has nothing to do.
func (w ledgerWriter[T]) Close(context.Context) error { return nil }
