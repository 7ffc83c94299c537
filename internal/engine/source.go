package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// source reads records and pushes them into the pipeline.
type source[T any] struct {
	stage  *Stage
	src    stage.Source[T]
	out    stage.Emitter[T]
	traits stage.SourceTraits
	reader stage.Reader[T]
	ledger *ledger                 // nil if the source is not keyed
	weigh  func(T) int             // nil if the size of values is unknown
	stock  func() stage.Stock      // nil if the reader does not tell what it has fetched
	gate   gate[lane, func() bool] // of keys with a faulty record that is being dealt with
	pace   pace
	acks   settler
	slow   bool        // a push may take long, so outcomes are not to wait for its end
	dry    atomic.Bool // the last read gave io.EOF
	begun  atomic.Bool // reading has

	seq     uint64            // of the last record read; the reading goroutine's
	emitted []stage.Record[T] // to be used again; likewise
	readErr error             // what ended reading, if not io.EOF; read after the goroutine has ended

	free []*read[T] // to be used again; under the settler's lock
}

// start opens the reader; its traits count more than its source's.
func (s *source[T]) start(ctx context.Context) error {
	err := s.stage.safely(func() (err error) {
		s.reader, err = s.src.Open(ctx)
		return err
	})
	if err != nil {
		s.reader = nil
		return fmt.Errorf("flow: open source %q: %w", s.stage.Name, err)
	}
	if d, ok := s.reader.(stage.SourceDescriber); ok {
		s.traits = d.SourceTraits()
	}
	if w, ok := s.reader.(stage.Weigher[T]); ok {
		s.weigh = w.Weigh
	}
	if st, ok := s.reader.(stage.Stocker); ok {
		s.stock = st.Stock
	}
	if disturb := s.stage.run.cfg.Probe.disturbance(s.stage.Name); disturb != nil {
		s.reader = disturbedReader[T]{s.reader, disturb}
	}
	if s.traits.Keyed {
		s.ledger = &ledger{}
	}
	s.pace.open(s.traits.Lease)
	s.pace.weighs = s.weigh != nil
	s.acks.open(s.stage, s.ledger, &s.pace)
	s.acks.inline = s.traits.Immediate
	return nil
}

func (s *source[T]) base() *Stage { return s.stage }

// declared gives the traits of the reader.
func (s *source[T]) declared() stage.SourceTraits { return s.traits }

// foresee tells what a path below is like: how many records its stages hold together, and whether
// a push down it may take long.
func (s *source[T]) foresee(held int, mayWait bool) {
	s.pace.widen(held)
	s.slow = s.slow || mayWait
}

func (s *source[T]) sourceStats() SourceStats {
	st := s.acks.stats()
	if !s.begun.Load() {
		return st // it is being set up
	}
	st.MaxInFlight, st.MaxBytes = s.pace.limit(), s.pace.maxBytes()
	if s.stock != nil {
		ahead := EdgeStats(s.stock())
		st.Ahead = &ahead
	}
	return st
}

// unpace lets the source have as much in the pipeline as without a lease.
func (s *source[T]) unpace() { s.pace.holder = true }

func (s *source[T]) settlement() *settler { return &s.acks }

// ending gives what ended reading, if not the end of the source; to be called after loop.
func (s *source[T]) ending() error { return s.readErr }

// atEnd tells whether the source has no more.
func (s *source[T]) atEnd() bool { return s.dry.Load() }

// drain waits for what the source's policy does with records that could not be decoded.
func (s *source[T]) drain(context.Context) error {
	if idle := s.stage.untilIdle(); idle != nil {
		<-idle
	}
	return nil
}

// loop reads until the source has no more, or reading is to end.
func (s *source[T]) loop(ctx context.Context) {
	s.begun.Store(true)
	var retry *backoff.ExponentialBackOff
	for s.acks.untilRoom(ctx) {
		var number uint64
		if s.ledger != nil {
			number = s.ledger.startRead()
		}
		b, err := s.read(ctx)
		if eof := errors.Is(err, io.EOF); eof != s.dry.Load() {
			s.dry.Store(eof)
		}
		if len(b.Values) > 0 {
			s.push(b, number)
		}
		switch {
		case err == nil:
			retry = nil
		case errors.Is(err, io.EOF):
			if !s.stage.run.awaitMore(s) {
				return
			}
		case ctx.Err() != nil:
			return
		case stage.IsPermanent(err):
			s.readErr = fmt.Errorf("flow: read source %q: %w", s.stage.Name, err)
			return
		default:
			s.stage.errors.Add(1)
			if retry == nil {
				retry = pacing.Forever()
			}
			s.stage.log.WarnContext(ctx, "read failed, to be tried again", "error", err)
			if pacing.Wait(ctx, retry.NextBackOff()) != nil {
				return
			}
		}
	}
}

// read calls the reader; a panic there ends the run as a permanent error would.
func (s *source[T]) read(ctx context.Context) (b stage.Batch[T], err error) {
	err = s.stage.safely(func() (err error) {
		b, err = s.reader.Read(ctx)
		return err
	})
	if panicked, ok := errors.AsType[*stage.PanicError](err); ok {
		err = stage.Permanent(panicked)
	}
	return b, err
}

// push sends the records of one read down the pipeline.
func (s *source[T]) push(b stage.Batch[T], number uint64) {
	r := s.newRead(b, number)
	s.acks.add(r)
	s.stage.seg.enter()
	s.stage.in += int64(len(b.Values))
	if s.needsCare(r) {
		s.pushWithCare(r)
	} else {
		s.emitted = r.records(s.emitted[:0])
		s.out.EmitAll(s.stage.seg.ctx, s.emitted)
		clear(s.emitted)
	}
	s.stage.seg.leaveRead()
	r.slab.Release()
}

// needsCare tells whether records of the read may not simply go on.
func (s *source[T]) needsCare(r *read[T]) bool {
	return len(r.batch.Faults) > 0 || s.stage.run.hard.Load() ||
		s.ledger != nil && (s.ledger.any() || s.gate.taken()) ||
		!r.batch.Expires.IsZero() && s.stage.run.tooLate(r.slab.Duty(0), time.Now())
}

// newRead takes a read from the pool and opens its slab. The hold on it keeps it open until it
// has been pushed.
func (s *source[T]) newRead(b stage.Batch[T], number uint64) *read[T] {
	r := s.spare()
	r.batch, r.number = b, number
	r.sent = append(r.sent[:0], make([]bool, len(b.Values))...)
	r.unsent = len(b.Values)
	if s.weigh != nil {
		s.weighAll(r)
	}
	opts := stage.SlabOptions{Quiet: !s.slow, Expires: s.pace.lastStart(b.Expires), First: s.seq + 1}
	s.seq += uint64(len(b.Values))
	r.slab.Open(len(b.Values), r, opts)
	return r
}

// weighAll weighs the values of a read. What cannot be weighed weighs nothing: the records bound it still.
func (s *source[T]) weighAll(r *read[T]) {
	r.weights = append(r.weights[:0], make([]int, len(r.batch.Values))...)
	err := s.stage.safely(func() error {
		for i, v := range r.batch.Values {
			r.weights[i] = max(s.weigh(v), 0)
		}
		return nil
	})
	if err != nil {
		s.stage.errors.Add(1)
		s.stage.log.Error("the size of a value is unknown", "error", err)
	}
}

func (s *source[T]) spare() *read[T] {
	s.acks.mu.Lock()
	defer s.acks.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		r := s.free[last]
		s.free = s.free[:last]
		r.state = delivery{} // under the lock: the settler may still list it as partial
		return r
	}
	return &read[T]{src: s}
}

// close ends the reader, after the last outcome.
func (s *source[T]) close(ctx context.Context) error {
	if s.reader == nil {
		return nil
	}
	if err := s.stage.safely(func() error { return s.reader.Close(ctx) }); err != nil {
		return fmt.Errorf("flow: close source %q: %w", s.stage.Name, err)
	}
	return nil
}
