package sources

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// fileReader reads a stream on a goroutine of its own, one chunk ahead: so that decoding and the
// pipeline overlap, and a reader that waits does not keep Read from ending with its context.
type fileReader[T any] struct {
	stream *stream[T]
	chunks chan *chunk[T] // closed at the end of the stream
	err    error          // of the stream; written before chunks is closed
	stop   chan struct{}  // closed by Close
	ended  chan struct{}  // closed by the goroutine, last
	once   sync.Once
}

func startFileReader[T any](s *stream[T]) (stage.Reader[T], error) {
	if !s.busy.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("sources: open %q: it is open already: an io.Reader can be in one run at a time", s.src.cfg.name)
	}
	r := &fileReader[T]{
		stream: s, chunks: make(chan *chunk[T]),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go r.pump()
	return r, nil
}

// pump hands out chunks until the stream ends or Close stops it. What is in hand then belongs to
// the next run.
func (r *fileReader[T]) pump() {
	defer close(r.ended)
	for {
		c, err := r.stream.next()
		if err != nil {
			r.err = err
			close(r.chunks)
			return
		}
		select {
		case r.chunks <- c:
		case <-r.stop:
			r.stream.pending = c
			return
		}
	}
}

// Read gives the next records of one file. When ctx ends it returns; what is being read then comes
// with the next Read.
func (r *fileReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	if err := ctx.Err(); err != nil {
		return stage.Batch[T]{}, err
	}
	select {
	case c, ok := <-r.chunks:
		if !ok {
			return stage.Batch[T]{}, r.err
		}
		return c.batch(), nil
	case <-ctx.Done():
		return stage.Batch[T]{}, ctx.Err()
	}
}

// Close ends reading and closes the file, or an io.Reader that can be closed. It waits for a read
// that is under way; when ctx ends first it fails, and the goroutine ends when the read does.
func (r *fileReader[T]) Close(ctx context.Context) error {
	r.once.Do(func() { close(r.stop) })
	closeErr := r.stream.unblock()
	select {
	case <-r.ended:
	case <-ctx.Done():
		return fmt.Errorf("sources: close %q: its reader still waits: give it a reader that can be closed: %w",
			r.stream.src.cfg.name, ctx.Err())
	}
	if r.stream.src.reader == nil {
		closeErr = errors.Join(closeErr, r.stream.close())
	}
	r.stream.busy.Store(false)
	if closeErr != nil {
		return fmt.Errorf("sources: close: %w", closeErr)
	}
	return nil
}

// unblock closes an io.Reader, so that a read of it that waits returns.
func (s *stream[T]) unblock() error {
	if s.closer == nil {
		return nil
	}
	c := s.closer
	s.closer = nil
	return c.Close()
}

// recoverUser makes a panic in a method of the user an error. Records are decoded on a goroutine of
// the reader's own, where nothing else would keep it from ending the process.
func recoverUser(err *error) {
	if v := recover(); v != nil {
		*err = &stage.PanicError{Value: v, Stack: debug.Stack()}
	}
}
