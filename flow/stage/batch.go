package stage

import (
	"context"
	"time"
)

// Batch is what one read gave or what one write is given: values, and by index what is known
// about them.
//
// A [Reader] fills it in; the engine keeps the batch, Values included, until each of its records
// has been settled. A [Writer] is lent one and keeps nothing of it after Write has returned,
// except the values themselves.
type Batch[T any] struct {
	// Values are the records' values, in order.
	Values []T
	// Info tells what is known about the value at an index; nil if nothing is. It may be called
	// late, from any goroutine, and often: it reads, and does not compute much.
	Info func(i int) Info
	// Settler receives the outcomes, by index; nil if the source wants none. Set by Readers only.
	Settler Settler
	// Faults are the records that could not be decoded: no operator sees them, and they go by the
	// error policy of the source's stage. Their place in Values holds the zero value, or as much of
	// the record as there is, which a dead letter then shows as [Failure.Source].
	Faults []Fault
	// Expires is when the source's claim on these records ends and they may be delivered
	// elsewhere; zero if there is no lease.
	Expires time.Time
}

// Len gives the number of values.
func (b Batch[T]) Len() int { return len(b.Values) }

// At gives what is known about the value at index i: the zero Info if nothing is.
func (b Batch[T]) At(i int) Info {
	if b.Info == nil {
		return Info{}
	}
	return b.Info(i)
}

// Info is what a source knows about a record, apart from its value. All of it is optional.
type Info struct {
	// ID names the record at its source, such as a message id. A redelivery has the same ID.
	ID string
	// Source is the name of the source's stage, put in by the engine, where an ID is unique in its source
	// alone; empty where it is so everywhere (see [SourceTraits.UniqueIDs]).
	Source string
	// Key orders: records of one key, such as a message group, keep their order (rule 8).
	Key string
	// Attempt counts deliveries, from 1; 0 if the source does not count.
	Attempt int
	// EventTime is when what the record tells of happened.
	EventTime time.Time
	// Partition names the part of the source, such as a queue, that the record is from: those of one
	// come roughly in the order of their event times. Where it is empty the engine puts in the name of
	// the source's stage. A source that fills it in declares [SourceTraits.Partitioned].
	Partition string
	// Position is where the record stands in its source, for people, such as "flights.csv:17".
	Position string
	// TraceContext is the W3C traceparent that travelled with the record.
	TraceContext string
}

// Fault is a record that could not be decoded.
type Fault struct {
	// Index is the record's place in the batch.
	Index int
	// Err says why; Raw is what could not be decoded, as far as it could be read.
	Err error
	Raw []byte
}

// Settler takes the outcomes of a batch's records, many at a time and in any order. Each index
// is given exactly once (rule 1). Calls do not overlap for one batch; for several batches they may.
//
// An error means that outcomes may be lost and their records may come again; that is counted, and
// never made a success. A [*BatchError] names them by [Outcome.Index]: of this call, or of earlier
// ones that were still on their way. Any other error is about all of this call.
//
// The context is not cancelled with the pipeline's (rule 7): it ends when the engine gives up
// waiting. The slice is the engine's: it may be neither kept nor changed.
type Settler interface {
	Settle(ctx context.Context, outcomes []Outcome) error
}

// Outcome is how a record ended.
type Outcome struct {
	// Index is the record's place in its batch.
	Index int
	// Err is nil if the record is done, or was put off to come again as another (see [Duty.PutOff]),
	// [ErrHandedBack] (by errors.Is) if it was not to blame and may be delivered again at once, and else why
	// it failed.
	Err error
}
