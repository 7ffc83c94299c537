package broker

import (
	"context"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// OnFiles lets what is kept lie in other files than the system's.
func OnFiles(o *Options, files journal.FS) { o.Dir, o.files = "dir", files }

// Compact takes a snapshot, as happens when the journal has grown.
func (b *Broker) Compact(ctx context.Context) error { return b.store.diary.snapshot(ctx, b.store) }
