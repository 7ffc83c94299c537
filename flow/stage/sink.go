package stage

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"
)

// Sink describes where values go. Open may be called again for another run.
type Sink[T any] interface {
	Open(ctx context.Context) (Writer[T], error)
}

// Writer writes batches of values.
type Writer[T any] interface {
	// Write returns nil when each value of the batch is safe. A [*BatchError] says which are not;
	// another error means that the outcome of all is unknown, and the engine finds those to blame
	// by writing parts of the batch again. A Write that may be repeated should therefore change
	// nothing the second time, where the system behind it allows.
	Write(ctx context.Context, batch Batch[T]) error
	// Close releases what Open acquired. The engine calls it once, when all writes have returned,
	// also if there was none. Its context is not cancelled with the pipeline's.
	Close(ctx context.Context) error
}

// SinkTraits is what a sink or a writer declares about itself. The zero value stands for a
// writer that takes one write at a time, in order.
type SinkTraits struct {
	// Name is how Explain calls it; by default its type.
	Name string
	// Concurrency is how many Writes may run at once; below 1 means 1, and order is kept.
	Concurrency int
	// MaxBatch bounds the values of one Write that a pipeline without flow.Batched makes; below 1
	// means [DefaultMaxBatch].
	MaxBatch int
	// Immediate says that Write waits for nothing outside the process. It is then called on the
	// goroutine that produced the values.
	Immediate bool
	// OrderedKeys says that after the first failed value of a key Write writes no later value of
	// that key in the same batch, and reports those as failed too (rule 8). Without it a batch
	// from a keyed source has at most one value of a key.
	OrderedKeys bool
}

// DefaultMaxBatch is the most values of one Write, unless the sink or the pipeline says otherwise.
const DefaultMaxBatch = 256

// SinkDescriber is implemented by sinks that declare traits before they are opened, and by
// writers that know them only then; a writer's replace its sink's.
type SinkDescriber interface {
	SinkTraits() SinkTraits
}

// BatchError says which values of a batch a Write has not written, or which outcomes a Settle has
// lost. With the others it has succeeded.
type BatchError struct {
	// Failed maps an index of the batch to its error, which is not nil. An index that is none of the
	// batch's, or no index at all, makes it an error that says nothing of any.
	Failed map[int]error
}

// Fail adds the failure of the value at index i; a nil receiver is not allowed.
func (e *BatchError) Fail(i int, err error) {
	if e.Failed == nil {
		e.Failed = make(map[int]error)
	}
	e.Failed[i] = err
}

// OrNil gives the error, or nil if nothing failed.
func (e *BatchError) OrNil() error {
	if e == nil || len(e.Failed) == 0 {
		return nil
	}
	return e
}

// Error tells how many failed and the first of them.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "stage: batch: nothing failed"
	}
	first := e.indexes()[0]
	return fmt.Sprintf("stage: batch: %d failed, the first at index %d: %v",
		len(e.Failed), first, e.Failed[first])
}

// Unwrap gives the values' errors in the order of their indexes, for errors.Is and errors.As.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, i := range e.indexes() {
		errs = append(errs, e.Failed[i])
	}
	return errs
}

func (e *BatchError) indexes() []int {
	at := make([]int, 0, len(e.Failed))
	for i := range e.Failed {
		at = append(at, i)
	}
	sort.Ints(at)
	return at
}

var _ error = (*BatchError)(nil)

// ErrHandedBack is the outcome of a record that the pipeline did not come to finish: it was
// drained, cut off, or stood behind a failed record of its key. It may be delivered again at
// once, and the attempt need not be counted.
var ErrHandedBack = errors.New("stage: handed back")

// ErrPutOff is the outcome of a record that was put off to come again (see [Duty.PutOff]), as those learn it
// who remember what is done. It is no failure, and of no use as one.
var ErrPutOff = errors.New("stage: put off")

// Permanent marks an error that no retry can mend: from Read it ends the run; from a stage it
// skips the policy's retries. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent tells whether err, or an error that it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// RetryAfter gives how long a retry is to wait at least because of err: what err, or an error that it
// wraps, tells by a method RetryAfter() time.Duration; 0 if none does.
func RetryAfter(err error) time.Duration {
	type waiting interface {
		error
		RetryAfter() time.Duration
	}
	if w, ok := errors.AsType[waiting](err); ok {
		return max(w.RetryAfter(), 0)
	}
	return 0
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
