package flow

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// FromSeq begins a pipeline with the values of a sequence. They have no acknowledgement: a value
// that fails for good makes Run return a [*FailedError].
func FromSeq[T any](seq iter.Seq[T]) Stream[T] { return From[T](seqSource[T]{seq}) }

// FromChan begins a pipeline with what comes from a channel, until it is closed. Values have no
// acknowledgement, as with FromSeq.
func FromChan[T any](c <-chan T) Stream[T] { return From[T](chanSource[T]{c}) }

// All runs the stream and hands out its values one by one. A value is settled done when the next
// one is asked for, or the loop is left; it is handed back when the loop panics. An error, with a
// zero value, comes last: what Run would return.
func (s Stream[T]) All(ctx context.Context, opts ...RunOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		h := &handover[T]{values: make(chan T), taken: make(chan bool)}
		ran := make(chan error, 1)
		go func() { ran <- s.To(h).Run(ctx, opts...) }()
		for {
			select {
			case v := <-h.values:
				if !h.yield(v, yield, cancel, ran) {
					return
				}
			case err := <-ran:
				if err != nil {
					var zero T
					yield(zero, err)
				}
				return
			}
		}
	}
}

// yield hands a value to the loop, and tells the writer how that went. When the loop is left, in
// whichever way, it ends the run and waits for it.
func (h *handover[T]) yield(v T, yield func(T, error) bool, end func(), ran <-chan error) (more bool) {
	returned := false
	defer func() {
		if !more {
			h.gone.Store(true)
		}
		h.taken <- returned
		if !more {
			end()
			<-ran //nolint:errcheck // who leaves the loop does not ask how the run ended
		}
	}()
	more = yield(v, nil)
	returned = true
	return more
}

// readSize is how many values of a sequence are read at once: the more, the less each costs, the
// longer the first waits.
const readSize = 32

type seqSource[T any] struct{ seq iter.Seq[T] }

func (s seqSource[T]) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Name: "sequence", Immediate: true}
}

func (s seqSource[T]) Open(context.Context) (stage.Reader[T], error) {
	next, stop := iter.Pull(s.seq)
	return &seqReader[T]{next: next, stop: stop}, nil
}

type seqReader[T any] struct {
	next func() (T, bool)
	stop func()
}

func (r *seqReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	var values []T
	for len(values) < readSize && ctx.Err() == nil {
		v, ok := r.next()
		if !ok {
			return stage.Batch[T]{Values: values}, io.EOF
		}
		values = append(values, v)
	}
	return stage.Batch[T]{Values: values}, ctx.Err()
}

func (r *seqReader[T]) Close(context.Context) error {
	r.stop()
	return nil
}

type chanSource[T any] struct{ c <-chan T }

func (s chanSource[T]) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Name: "channel", Immediate: true}
}

func (s chanSource[T]) Open(context.Context) (stage.Reader[T], error) {
	return chanReader[T](s), nil
}

type chanReader[T any] struct{ c <-chan T }

// Read waits for one value and takes along what is there besides.
func (r chanReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	var values []T
	select {
	case v, ok := <-r.c:
		if !ok {
			return stage.Batch[T]{}, io.EOF
		}
		values = append(values, v)
	case <-ctx.Done():
		return stage.Batch[T]{}, ctx.Err()
	}
	for len(values) < readSize {
		select {
		case v, ok := <-r.c:
			if !ok {
				return stage.Batch[T]{Values: values}, io.EOF
			}
			values = append(values, v)
		default:
			return stage.Batch[T]{Values: values}, nil
		}
	}
	return stage.Batch[T]{Values: values}, nil
}

func (r chanReader[T]) Close(context.Context) error { return nil }

// handover is the sink of All: each value is written when the loop is done with it.
type handover[T any] struct {
	values chan T
	taken  chan bool   // whether the loop's body returned from the value
	gone   atomic.Bool // the loop was left
}

func (h *handover[T]) Open(context.Context) (stage.Writer[T], error) { return h, nil }

func (h *handover[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "loop", MaxBatch: 1}
}

func (h *handover[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	var failed stage.BatchError
	for i, v := range b.Values {
		if err := h.hand(ctx, v); err != nil {
			failed.Fail(i, err)
		}
	}
	return failed.OrNil()
}

func (h *handover[T]) hand(ctx context.Context, v T) error {
	if h.gone.Load() {
		return stage.Permanent(stage.ErrHandedBack)
	}
	select {
	case h.values <- v:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !<-h.taken {
		return stage.Permanent(stage.ErrHandedBack)
	}
	return nil
}

func (h *handover[T]) Close(context.Context) error { return nil }
