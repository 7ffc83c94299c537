package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// read is the records of one read, until the outcome of each has been given back. It owns the
// slab of their duties.
type read[T any] struct {
	state   delivery
	src     *source[T]
	batch   stage.Batch[T]
	slab    stage.Slab
	number  uint64
	sent    []bool // outcomes given back; written by who delivers
	unsent  int
	weights []int // of the values, in bytes; nil if they are not known
}

var (
	_ stage.SlabOwner = (*read[int])(nil)
	_ keyedOwner      = (*read[int])(nil)
	_ deliverable     = (*read[int])(nil)
)

// Settled hands the read to the settler.
func (r *read[T]) Settled(_ *stage.Slab, all bool) { r.src.acks.ready(r, all) }

// Info gives what the source knows of record i.
func (r *read[T]) Info(i int) stage.Info {
	info := r.batch.At(i)
	if info.Partition == "" {
		info.Partition = r.src.stage.Name
	}
	if !r.src.traits.UniqueIDs {
		info.Source = r.src.stage.Name
	}
	return info
}

// Origin gives what was read.
func (r *read[T]) Origin(i int) any { return r.batch.Values[i] }

func (r *read[T]) ledgerAndRead() (*ledger, uint64) { return r.src.ledger, r.number }

func (r *read[T]) sourceStage() *Stage { return r.src.stage }

func (r *read[T]) progress() *delivery { return &r.state }

func (r *read[T]) readNumber() uint64 { return r.number }

// records adds the records, with their duties, to a slice.
func (r *read[T]) records(to []stage.Record[T]) []stage.Record[T] {
	to = slices.Grow(to, len(r.batch.Values))
	for i, v := range r.batch.Values {
		to = append(to, stage.Record[T]{Value: v, Duty: r.slab.Duty(i)})
	}
	return to
}

// collect gathers the outcomes that were not given back yet.
func (r *read[T]) collect(found *outcomes) []stage.Outcome {
	if r.unsent == 0 {
		return nil // the settler was told of some while it collected all
	}
	if r.unsent == len(r.sent) && r.slab.AllDone() {
		r.unsent = 0
		return found.allDone(len(r.sent))
	}
	list := found.begin(r.unsent)
	for i := range r.sent {
		if r.sent[i] {
			continue
		}
		if err, ok := r.slab.Outcome(i); ok {
			r.sent[i] = true
			if errors.Is(err, stage.ErrPutOff) {
				err = nil // what comes again is another record
			}
			list = append(list, stage.Outcome{Index: i, Err: err})
		}
	}
	r.unsent -= len(list)
	found.list = list
	return list
}

// settle tells the source, and then the ledger that the source was told.
func (r *read[T]) settle(ctx context.Context, outcomes []stage.Outcome) error {
	if r.batch.Settler == nil {
		return nil
	}
	err := r.callSettle(ctx, outcomes)
	if r.src.ledger != nil {
		for _, o := range outcomes {
			if o.Err != nil {
				r.src.ledger.told(r.batch.At(o.Index).Key)
			}
		}
	}
	return err
}

func (r *read[T]) callSettle(ctx context.Context, outcomes []stage.Outcome) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.src.stage.panicked(p)
		}
	}()
	return r.batch.Settler.Settle(ctx, outcomes)
}

func (r *read[T]) size() int { return len(r.sent) }

func (r *read[T]) weight(i int) int { return r.weights[i] }

func (r *read[T]) rearm() { r.slab.Rearm(len(r.sent) - r.unsent) }

// info is for reports of failures, while the read is not recycled.
func (r *read[T]) info(i int) stage.Info { return r.batch.At(i) }

func (r *read[T]) abandon(err error) int { return r.slab.Abandon(err) }

// recycle keeps the read for the source's next. No duty of it is alive.
func (r *read[T]) recycle() {
	r.batch = stage.Batch[T]{}
	r.src.free = append(r.src.free, r)
}
