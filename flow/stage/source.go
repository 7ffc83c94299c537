package stage

import (
	"context"
	"time"
)

// Source describes where records come from. It holds no connection and runs nothing: Open does,
// and may be called again for another run.
type Source[T any] interface {
	Open(ctx context.Context) (Reader[T], error)
}

// Reader hands out the records of an opened source.
type Reader[T any] interface {
	// Read gives the next records, at least one, waiting for them if need be. One goroutine calls
	// it, one call at a time.
	//
	// io.EOF says that there is no more. The engine then emits what it holds, and when all
	// outcomes have been delivered and one of them was a failure, it calls Read again: a source
	// that redelivers does so then, any other repeats io.EOF. Any other error is retried with
	// backoff, unless it is [Permanent], which ends the run. Records may come together with io.EOF or
	// another error: the engine takes them in first, and then the error.
	//
	// When ctx ends, what was fetched is returned, with ctx's error or without, or handed back, and
	// never dropped.
	//
	// A reader that waits, or measures leases, goes by the clock of package time. It is also the
	// engine's, and virtual in a bubble of testing/synctest.
	Read(ctx context.Context) (Batch[T], error)
	// Close ends the reader. The engine calls it once, after the last outcome has been delivered,
	// also if Read was never called. Its context is not cancelled with the pipeline's.
	Close(ctx context.Context) error
}

// SourceTraits is what a source or a reader declares about itself.
type SourceTraits struct {
	// Name is how Explain calls it; by default its type.
	Name string
	// Keyed says that Info.Key orders records and that rule 8 holds. After a failure of a key the
	// reader hands out nothing of that key until each record of it that is out has been settled,
	// and goes on with the failed one. Records need an Info.ID, by which the engine sees that they
	// have come again, and an Info.Position that stays the same where two may have one ID, as messages
	// do that were stored twice. An operator that holds records may not follow a keyed source: it would
	// stall its own queue.
	Keyed bool
	// Lease is how long a record may be held before the source delivers it again; 0 if for ever.
	Lease time.Duration
	// Immediate says that Settle waits for nothing outside the process. It may then be called on
	// the goroutine that settles a read's last record.
	Immediate bool
	// Redelivers says that a failed record comes again. Where none does, a record that fails for
	// good makes Run return an error. A bridge, whose Settle passes failures on to where its records
	// came from, declares it too, whether they come again through it or not.
	Redelivers bool
	// Redelivery is how long it takes at most, from when a record's outcome is known, until it comes
	// again: what is left of its lease, or the longest wait after a failure, whichever is longer. 0 stands
	// for the lease.
	Redelivery time.Duration
	// UniqueIDs says that no other source gives its records an ID of this one's, as message ids of a
	// broker are. Records of other sources are told apart by source and ID.
	UniqueIDs bool
	// Partitioned says that Info.Partition is filled in.
	Partitioned bool
	// RetryTopic is the retry topic that the records come back by (see [RetrySink]); empty for any other source.
	RetryTopic string
}

// SourceDescriber is implemented by sources that declare traits before they are opened, and by
// readers that know them only then; a reader's replace its source's.
type SourceDescriber interface {
	SourceTraits() SourceTraits
}

// Weigher is implemented by readers whose values have a size that counts, such as that of a message's
// body. The engine asks once for each value, and reads no more while what is in the pipeline weighs too
// much; Snapshot shows both.
type Weigher[T any] interface {
	// Weigh gives the bytes of a value, which may be the zero value of a record that could not be
	// decoded. It may be called from any goroutine.
	Weigh(value T) int
}

// Stocker is implemented by readers that fetch ahead, so that Snapshot shows what waits in them to be
// read. It may be asked at any time, from any goroutine.
type Stocker interface{ Stock() Stock }

// Stock is records that wait, and what there is room for; a bound of 0 is none.
type Stock struct {
	Records, MaxRecords int
	Bytes, MaxBytes     int
}
