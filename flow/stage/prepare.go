package stage

import "context"

// Preparer is implemented by processors that have something to get ready before the first record, such as
// data to load. The engine calls Prepare once, after Start. An error is returned by Run, which then reads
// nothing. The context ends with that of Run.
type Preparer interface {
	Prepare(ctx context.Context) error
}

// Gauger is what the Runtime of an engine that has snapshots implements besides: see [Gauge].
type Gauger interface {
	Gauge(name string, read func() int64)
}

// Gauge has Snapshot show under the name what read gives when the snapshot is taken, from any goroutine.
// It is for Start.
func Gauge(rt Runtime, name string, read func() int64) {
	if g, ok := rt.(Gauger); ok {
		g.Gauge(name, read)
	}
}
