package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// readSize is the records of one read: what RocketMQ gives at most.
const readSize = 32

// numbers is a source of the numbers below n, which checks that each is settled once, and done.
type numbers struct {
	n       int
	named   bool // the numbers have ids, by which they are known when they come again
	settled atomic.Int64
	wrong   atomic.Int64
}

func (s *numbers) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Name: "numbers", Immediate: true, Redelivers: s.named, UniqueIDs: s.named}
}

func (s *numbers) Open(context.Context) (stage.Reader[int], error) {
	return &numbersReader{s: s}, nil
}

// check tells what was wrong with the settlements.
func (s *numbers) check() error {
	if s.wrong.Load() != 0 || s.settled.Load() != int64(s.n) {
		return fmt.Errorf("bench: of %d records %d were settled, %d of them twice or as failed", s.n, s.settled.Load(), s.wrong.Load())
	}
	return nil
}

type numbersReader struct {
	s    *numbers
	next int

	mu   sync.Mutex
	free []*numbersRead // those of which all is settled
}

func (r *numbersReader) spare() *numbersRead {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := len(r.free) - 1; last >= 0 {
		b := r.free[last]
		r.free = r.free[:last]
		return b
	}
	return &numbersRead{r: r, values: make([]int, 0, readSize), seen: make([]bool, readSize)}
}

func (r *numbersReader) keep(b *numbersRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, b)
}

func (r *numbersReader) Read(context.Context) (stage.Batch[int], error) {
	if r.next >= r.s.n {
		return stage.Batch[int]{}, io.EOF
	}
	b := r.spare()
	b.values = b.values[:0]
	for len(b.values) < readSize && r.next < r.s.n {
		b.values = append(b.values, r.next)
		r.next++
	}
	batch := stage.Batch[int]{Values: b.values, Settler: b}
	if r.s.named {
		batch.Info = b.info
	}
	return batch, nil
}

func (r *numbersReader) Close(context.Context) error { return nil }

// numbersRead is one read, used again when all of it is settled.
type numbersRead struct {
	r      *numbersReader
	values []int
	seen   []bool
	n      int
}

// info names a number as a broker names its messages.
func (b *numbersRead) info(i int) stage.Info {
	return stage.Info{ID: fmt.Sprintf("01A2B3C4D5E6%020d", b.values[i]), Attempt: 1}
}

func (b *numbersRead) Settle(_ context.Context, outcomes []stage.Outcome) error {
	for _, o := range outcomes {
		if o.Err != nil || b.seen[o.Index] {
			b.r.s.wrong.Add(1)
		}
		b.seen[o.Index] = true
	}
	b.n += len(outcomes)
	b.r.s.settled.Add(int64(len(outcomes)))
	if b.n == len(b.values) {
		b.n = 0
		clear(b.seen)
		b.r.keep(b)
	}
	return nil
}

// discard is a sink that does nothing.
type discard struct{}

func (discard) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: "discard", Immediate: true}
}

func (d discard) Open(context.Context) (stage.Writer[int], error) { return d, nil }
func (discard) Write(context.Context, stage.Batch[int]) error     { return nil }
func (discard) Close(context.Context) error                       { return nil }
