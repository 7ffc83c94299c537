package flowtest

import (
	"context"
	"io"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// reader reads an input.
type reader[T any] struct{ in *Input[T] }

// Read gives what is ready. It waits for what arrives, or comes again, by time alone; what is held up
// by records that are out comes after their outcomes, for which the engine calls Read again.
func (r *reader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	for {
		if err := ctx.Err(); err != nil {
			return stage.Batch[T]{}, err
		}
		h, again := r.in.take()
		switch {
		case h != nil:
			return h.batch(), nil
		case again.IsZero():
			return stage.Batch[T]{}, io.EOF
		}
		r.in.wait(ctx, again)
	}
}

// wait waits for a time, an outcome, or the end of ctx.
func (in *Input[T]) wait(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.wake:
	case <-ctx.Done():
	}
}

func (h *handout[T]) batch() stage.Batch[T] {
	b := stage.Batch[T]{Settler: h, Expires: h.expires, Info: func(i int) stage.Info { return h.infos[i] }}
	for i, r := range h.records {
		b.Values = append(b.Values, r.Value)
		if r.Undecodable != nil {
			b.Faults = append(b.Faults, stage.Fault{Index: i, Err: r.Undecodable})
		}
	}
	return b
}

// Close ends the run.
func (r *reader[T]) Close(context.Context) error {
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	r.in.isOpen = false
	return nil
}
