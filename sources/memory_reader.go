package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// queueReader hands out the values of a queue, which it fills from the feed.
type queueReader[T any] struct {
	src   *Memory[T]
	queue *queue[T]
	wake  <-chan struct{} // the queue's
	feed  feed[T]
	ended bool // the feed has no more
}

// Read gives what waits in the queue, and before that fills it up. It waits for a channel, for the
// backoff of a failed value, and for nothing else: what is held up by values that are out comes
// after their outcomes, for which the engine calls Read again.
func (r *queueReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	for {
		if err := ctx.Err(); err != nil {
			return stage.Batch[T]{}, err
		}
		h, again := r.queue.take(r.src.size)
		if h != nil {
			return h.batch(), nil
		}
		if err := r.fill(ctx, again); err != nil {
			return stage.Batch[T]{}, err
		}
	}
}

// fill lets something happen that may give Read a value to hand out; io.EOF if nothing can.
func (r *queueReader[T]) fill(ctx context.Context, again time.Time) error {
	if r.ended && again.IsZero() {
		return io.EOF
	}
	if !r.ended && r.feed.channel() == nil {
		values, err := r.feed.next(ctx, r.src.size)
		return r.take(values, err)
	}
	return r.wait(ctx, again)
}

// take puts what the feed gave into the queue. Its end is not the queue's.
func (r *queueReader[T]) take(values []T, err error) error {
	if errors.Is(err, io.EOF) {
		r.ended = true
		return nil
	}
	if err != nil {
		return err
	}
	first := r.queue.size() + 1
	infos := make([]stage.Info, len(values))
	for i, v := range values {
		infos[i] = r.src.info(v, first+i)
	}
	r.queue.add(values, infos)
	return nil
}

// wait waits for the channel, an outcome, or the time at which a value may come again: because its
// backoff is over, or the oldest lease.
func (r *queueReader[T]) wait(ctx context.Context, again time.Time) error {
	var c <-chan T
	if !r.ended {
		c = r.feed.channel()
	}
	if lease := r.queue.leaseEnd(); !lease.IsZero() {
		again = earlier(again, lease)
	}
	var timeout <-chan time.Time
	if !again.IsZero() {
		t := time.NewTimer(time.Until(again))
		defer t.Stop()
		timeout = t.C
	}
	select {
	case v, ok := <-c:
		if !ok {
			return r.take(nil, io.EOF)
		}
		return r.take([]T{v}, nil)
	case <-r.wake:
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// leaseEnd gives the end of the oldest lease; zero if there is none.
func (q *queue[T]) leaseEnd() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.out) == 0 {
		return time.Time{}
	}
	return q.out[0].expires
}

// Settle takes outcomes. Those of records that are no longer held change nothing and are reported
// as [ErrNotHeld], by index.
func (h *handout[T]) Settle(_ context.Context, outcomes []stage.Outcome) error {
	q, now := h.queue, time.Now()
	ready := make([]time.Time, len(outcomes))
	for i, o := range outcomes {
		ready[i] = h.rules.after(h.infos[o.Index].Attempt, o.Err, now)
	}
	expired := !h.expires.IsZero() && !now.Before(h.expires)
	q.mu.Lock()
	wake := q.wake
	var late stage.BatchError
	for i, o := range outcomes {
		in := h.inputs[o.Index]
		if in.at != h || expired {
			late.Fail(o.Index, fmt.Errorf("sources: settle value with id %q: %w", in.info.ID, ErrNotHeld))
			continue
		}
		q.settleLocked(in, o.Err, ready[i])
	}
	q.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default: // the reader has not taken the last signal yet
	}
	return late.OrNil()
}

// Close ends the run. What is out may be handed out again by the next.
func (r *queueReader[T]) Close(context.Context) error {
	r.feed.stop()
	r.queue.release()
	return nil
}
