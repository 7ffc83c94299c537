package flowtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// errNotHeld is why an outcome is refused.
var errNotHeld = errors.New("flowtest: record is not held: its lease has ended, or it was settled before")

// errAckLost is what a source reports of an acknowledgement that did not get through.
var errAckLost = errors.New("flowtest: the acknowledgement was lost")

// Settle takes outcomes.
func (h *handout[T]) Settle(_ context.Context, outcomes []stage.Outcome) error {
	in := h.in
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	var refused stage.BatchError
	for _, o := range outcomes {
		r := h.records[o.Index]
		switch {
		case r.at != h || !h.expires.IsZero() && !now.Before(h.expires):
			refused.Fail(o.Index, fmt.Errorf("%s: %w", h.infos[o.Index].Position, errNotHeld))
		case o.Err == nil && r.AckLost:
			r.AckLost = false
			refused.Fail(o.Index, fmt.Errorf("%s: %w", h.infos[o.Index].Position, errAckLost))
			r.stage = ""
			in.backLocked(r, HandedBack, errAckLost)
			r.waiting, r.ready = true, now
			if !h.expires.IsZero() {
				r.ready = h.expires
			}
		default:
			in.settleLocked(r, o.Err, now)
		}
	}
	select {
	case in.wake <- struct{}{}:
	default: // the reader has not taken the last signal yet
	}
	return refused.OrNil()
}

// settleLocked takes the outcome of a record.
func (in *Input[T]) settleLocked(r *record[T], err error, now time.Time) {
	r.err, r.stage = err, ""
	if from, ok := errors.AsType[*flow.StageError](err); ok {
		r.err, r.stage = from.Err, from.Stage
	}
	switch {
	case err == nil:
		r.over = true
		in.backLocked(r, Acked, nil)
	case errors.Is(err, flow.ErrLost):
		in.backLocked(r, Lost, r.err)
	case errors.Is(err, stage.ErrHandedBack):
		in.backLocked(r, HandedBack, r.err)
		r.waiting, r.ready = in.again != nil, now
		if !in.keyed { // of a FIFO group the server counts these deliveries too
			r.counted--
		}
	default:
		r.failed++
		in.failLocked(r, now)
	}
}

// failLocked takes a failure, after which the record comes again or not.
func (in *Input[T]) failLocked(r *record[T], now time.Time) {
	if in.again == nil {
		r.over = true
		in.backLocked(r, Nacked, r.err)
		return
	}
	// A FIFO group's maximum is for failures, which its members count themselves; any other's is for
	// the deliveries that the server has counted.
	count := max(r.Attempt, 1) - 1 + r.counted
	if in.keyed {
		count = r.failed
	}
	wait, over := in.again.after(count)
	if over {
		r.over = true
		in.backLocked(r, DeadLettered, r.err)
		return
	}
	in.backLocked(r, Nacked, r.err)
	r.waiting, r.ready = true, now.Add(wait)
}

// backLocked ends a delivery.
func (in *Input[T]) backLocked(r *record[T], state State, err error) {
	r.at, r.state = nil, state
	last := &r.deliveries[len(r.deliveries)-1]
	last.State, last.Err, last.Stage, last.Settled = state, err, r.stage, time.Since(in.opened)
	k := in.keys[in.orderOf(r)]
	if k == nil {
		return
	}
	k.blocked = k.blocked || state != Acked
	if k.out--; k.out == 0 {
		delete(in.keys, in.orderOf(r))
	}
}
