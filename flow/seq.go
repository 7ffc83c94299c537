package flow

import (
	"context"
	"io"
	"iter"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// FromSeq begins a pipeline with the values of a sequence. They have no acknowledgement: a value
// that fails for good makes Run return a [*FailedError].
func FromSeq[T any](seq iter.Seq[T]) Stream[T] { return From[T](seqSource[T]{seq}) }

// FromChan begins a pipeline with what comes from a channel, until it is closed. Values have no
// acknowledgement, as with FromSeq.
func FromChan[T any](c <-chan T) Stream[T] { return From[T](chanSource[T]{c}) }

// All runs the stream and hands out its values one by one. A value is settled done when the next
// one is asked for, or the loop is left. An error, with a zero value, comes last: what Run would
// return.
func (s Stream[T]) All(ctx context.Context, opts ...RunOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		h := &handover[T]{values: make(chan T), taken: make(chan struct{}), left: make(chan struct{})}
		ran := make(chan error, 1)
		go func() { ran <- s.To(h).Run(ctx, opts...) }()
		for {
			select {
			case v := <-h.values:
				if !yield(v, nil) {
					close(h.left)
					cancel()
					<-ran
					return
				}
				h.taken <- struct{}{}
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
	taken  chan struct{}
	left   chan struct{} // closed when the loop is left; the value it was left with is done
	gone   bool          // the writer saw that
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
	if h.gone {
		return stage.Permanent(stage.ErrHandedBack)
	}
	select {
	case h.values <- v:
	case <-h.left:
		return stage.Permanent(stage.ErrHandedBack)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-h.taken:
	case <-h.left:
		h.gone = true
	}
	return nil
}

func (h *handover[T]) Close(context.Context) error { return nil }
