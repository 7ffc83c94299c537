package broker

import (
	"context"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// OnFiles lets what is kept lie in other files than the system's.
func OnFiles(o *Options, files journal.FS) { OnJournal(o, journal.Options{FS: files}) }

// OnJournal lets what is kept lie in a journal of other files, perhaps smaller ones.
func OnJournal(o *Options, j journal.Options) { o.Dir, o.journal = "dir", j }

// Compact takes a snapshot, as happens when the journal has grown.
func (b *Broker) Compact(ctx context.Context) error { return b.store.diary.snapshot(ctx, b.store) }
