package gostreams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// SourceOf makes a source a streams.Source of *[Delivery][T].
//
// What it promises:
//   - Gives: each record as a delivery. Who takes it settles it, by hand or by an adapter downstream.
//   - Ends: when the source has no more, when ctx ends, or by an error that no retry can mend. Then the
//     output is closed; the source is closed when what it gave is settled, or [flow.DefaultDrainTimeout]
//     after ctx has ended. What is settled later is refused with [ErrEnded] and comes again.
//   - Never hangs: when ctx ends, what was read and not taken is handed back. So is what nobody took
//     before its lease ended.
//   - Fails: a record that could not be decoded is handed back as failed.
//   - Comes again: what fails, if the source redelivers, but not after its end.
//   - Order: on a source with keys, who takes the deliveries keeps each key's order: one at a time.
func SourceOf[T any](ctx context.Context, src stage.Source[T], opts ...Option) *Source {
	e := &export[T]{ctx: ctx, src: src, log: newConfig(opts).log, idle: make(chan struct{}, 1)}
	s := newSource(e.run)
	s.after = e.close
	return s
}

// export hands out the records of a source.
type export[T any] struct {
	ctx    context.Context
	src    stage.Source[T]
	log    *slog.Logger
	reader stage.Reader[T]
	idle   chan struct{} // signalled when nothing is held any more

	mu   sync.Mutex // guards what follows
	held int        // records that are not settled
	over bool       // the reader is closed, or about to be
}

func (e *export[T]) run(out chan<- any) error {
	reader, err := e.src.Open(e.ctx)
	if err != nil {
		return fmt.Errorf("gostreams: open source: %w", err)
	}
	e.reader = reader
	retry := pacing.Forever()
	for {
		b, err := reader.Read(e.ctx)
		if len(b.Values) > 0 {
			e.handOut(b, out)
		}
		switch {
		case err == nil:
			retry.Reset()
		case errors.Is(err, io.EOF):
			return nil
		case e.ctx.Err() != nil:
			return ended(e.ctx, err)
		case stage.IsPermanent(err):
			return fmt.Errorf("gostreams: read source: %w", err)
		default:
			e.log.WarnContext(e.ctx, "read failed, to be tried again", "error", err)
		}
		if err != nil && pacing.Wait(e.ctx, retry.NextBackOff()) != nil || e.ctx.Err() != nil {
			return nil
		}
	}
}

// handOut gives the records of one read away. Faults are handed back as failed, and in the end what
// could not be given away.
func (e *export[T]) handOut(b stage.Batch[T], out chan<- any) {
	e.mu.Lock()
	e.held += b.Len()
	e.mu.Unlock()
	r := &handed[T]{export: e, settler: b.Settler}
	faults := make(map[int]bool, len(b.Faults))
	var failed, rest []stage.Outcome
	for _, f := range b.Faults {
		faults[f.Index] = true
		err := &stage.FaultError{Position: b.At(f.Index).Position, Raw: f.Raw, Err: f.Err}
		failed = append(failed, stage.Outcome{Index: f.Index, Err: err})
	}
	r.giveBack(e.ctx, failed)
	going := true
	for i, v := range b.Values {
		if faults[i] {
			continue
		}
		if going {
			d := &Delivery[T]{Value: v, Info: b.At(i), claim: r.claim(i), expires: b.Expires}
			o := offer(e.ctx, out, d, b.Expires)
			if o == taken {
				continue
			}
			going = o != stopped
		}
		rest = append(rest, stage.Outcome{Index: i, Err: stage.ErrHandedBack})
	}
	r.giveBack(e.ctx, rest)
}

// close waits for what is held, and closes the reader.
func (e *export[T]) close() error {
	if e.reader == nil {
		return nil
	}
	var late <-chan time.Time
	ending := e.ctx.Done()
	for e.holds() {
		select {
		case <-e.idle:
		case <-ending:
			ending = nil
			timer := time.NewTimer(flow.DefaultDrainTimeout)
			defer timer.Stop()
			late = timer.C
		case <-late:
			e.giveUp()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), handBackTimeout)
	defer cancel()
	if err := e.reader.Close(ctx); err != nil {
		return fmt.Errorf("gostreams: close source: %w", err)
	}
	return nil
}

func (e *export[T]) holds() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = e.over || e.held == 0
	return !e.over
}

func (e *export[T]) giveUp() {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
}

// handed is the records of one read while they are out.
type handed[T any] struct {
	export  *export[T]
	settler stage.Settler
	mu      sync.Mutex // held during Settle: its calls may not overlap for one read
}

func (r *handed[T]) claim(i int) claim {
	return newShared(func(ctx context.Context, err error) error {
		return r.settle(ctx, []stage.Outcome{{Index: i, Err: err}})
	})
}

func (r *handed[T]) settle(ctx context.Context, outcomes []stage.Outcome) error {
	e := r.export
	e.mu.Lock()
	over := e.over
	e.mu.Unlock()
	if over {
		return ErrEnded
	}
	defer e.settled(len(outcomes))
	if r.settler == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settler.Settle(ctx, outcomes)
}

func (e *export[T]) settled(n int) {
	e.mu.Lock()
	e.held -= n
	quiet := e.held == 0
	e.mu.Unlock()
	if quiet {
		select {
		case e.idle <- struct{}{}:
		default: // whoever waits has not looked since the last time
		}
	}
}

// giveBack settles, in one call, what nobody is to settle.
func (r *handed[T]) giveBack(ctx context.Context, outcomes []stage.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackTimeout)
	defer cancel()
	if err := r.settle(ctx, outcomes); err != nil {
		r.export.log.WarnContext(ctx, "records not handed back, they come again by their lease",
			"records", len(outcomes), "error", err)
	}
}
