package operators

import (
	"context"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Pair is a value of each of two streams.
type Pair[L, R any] struct {
	Left  L
	Right R
}

// Either is a value of one of two streams.
type Either[L, R any] struct {
	Left    L
	Right   R
	IsRight bool
}

// Zip pairs the values of two streams by their positions: the first with the first, the second with the
// second. flow.Stream.Zip gives it both.
//
//	left   --a---b-----c--|
//	right  ----1-----2----|
//	out    ---(a1)--(b2)--|   c fails
//
// What it promises:
//   - Emits: a pair when both of its values have come.
//   - Order: kept. A position is that of arrival: where a stage above drops, repeats or fails a value, those
//     behind it move.
//   - Holds: what is ahead of the other stream, at most as many values as come of the records that its
//     sources may have in the pipeline. The source that is ahead reads no more meanwhile. There is no bound
//     in time, so a source with a lease may not be above, nor one that orders by key, nor one that
//     redelivers: what comes again has no position. Nor may one source be above both streams: as soon as
//     one of them dropped a value, the other could wait for ever for what its own values keep from being
//     read.
//   - Settles: both values when their pair is, with the same outcome (rule 3).
//   - Drain: at the end of the input what is left of the longer stream fails with a [*LeftOverError], and is
//     counted as left_over. When the run is ended before that, it is handed back.
//   - Fails: by what is left over alone.
func Zip[L, R any, P interface{ Pair[L, R] }]() stage.Operator[Either[L, R], P] {
	return zipping[L, R, P]{}
}

// LeftOverError tells that a value has no partner, since the other stream has ended.
type LeftOverError struct {
	// Left tells which of the streams the value is of.
	Left bool
}

// Error says which stream was longer.
func (e *LeftOverError) Error() string {
	longer, shorter := "right", "left"
	if e.Left {
		longer, shorter = shorter, longer
	}
	return fmt.Sprintf("operators: zip: a value of the %s stream has no partner, since the %s one has ended: see that both have as many values", longer, shorter)
}

type zipping[L, R any, P interface{ Pair[L, R] }] struct{}

var _ stage.Operator[Either[int, string], Pair[int, string]] = zipping[int, string, Pair[int, string]]{}

func (zipping[L, R, P]) Describe() stage.Description {
	return stage.Description{Name: "zip", Holds: true, HoldsAhead: true, Positional: true, Settles: "with its pair"}
}

func (zipping[L, R, P]) Start(rt stage.Runtime, next stage.Emitter[P]) (stage.Processor[Either[L, R]], error) {
	return &zipper[L, R, P]{rt: rt, next: next}, nil
}

// zipper holds what is ahead: at most one of the two is not empty between calls.
type zipper[L, R any, P interface{ Pair[L, R] }] struct {
	rt    stage.Runtime
	next  stage.Emitter[P]
	left  []stage.Record[L]
	right []stage.Record[R]
}

func (z *zipper[L, R, P]) Process(ctx context.Context, r stage.Record[Either[L, R]]) error {
	switch v := r.Value; {
	case v.IsRight && len(z.left) > 0:
		l := z.left[0]
		clear(z.left[:1])
		z.left = z.left[1:]
		z.emit(ctx, l, r.With(v.Right))
	case v.IsRight:
		z.right = append(z.right, r.With(v.Right))
	case len(z.right) > 0:
		right := z.right[0]
		clear(z.right[:1])
		z.right = z.right[1:]
		z.emit(ctx, r.With(v.Left), right)
	default:
		z.left = append(z.left, r.With(v.Left))
	}
	return nil
}

// Rule 3: a pair holds the duties of both.
func (z *zipper[L, R, P]) emit(ctx context.Context, l stage.Record[L], r stage.Record[R]) {
	z.next.Emit(ctx, stage.Join(P(Pair[L, R]{l.Value, r.Value}), []stage.Duty{l.Duty, r.Duty}))
}

func (z *zipper[L, R, P]) Drain(context.Context) error {
	for _, l := range z.left {
		z.leave(l.Duty, true)
	}
	for _, r := range z.right {
		z.leave(r.Duty, false)
	}
	z.left, z.right = nil, nil
	return nil
}

func (z *zipper[L, R, P]) leave(d stage.Duty, left bool) {
	if !z.rt.Ended() {
		d.Fail(stage.ErrHandedBack)
		return
	}
	z.rt.Count("left_over", 1)
	d.Fail(&LeftOverError{left})
}
