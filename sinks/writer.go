package sinks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Writer makes a sink that writes each value to w as a line of text, in order: as format has it,
// or as fmt.Sprint if format is nil. The lines of a batch are one call of w.Write. A value is safe
// when that has returned, whatever w does with it; a line that w took in part is a failure, and
// comes again if the pipeline tries again. Several pipelines may share the sink, but not w itself.
func Writer[T any](w io.Writer, format func(T) string) stage.Sink[T] {
	if format == nil {
		format = func(v T) string { return fmt.Sprint(v) }
	}
	return &writerSink[T]{name: "writer", w: w, format: format}
}

// Stdout is [Writer] to the standard output.
func Stdout[T any](format func(T) string) stage.Sink[T] {
	s := Writer(os.Stdout, format).(*writerSink[T])
	s.name = "stdout"
	return s
}

type writerSink[T any] struct {
	name   string
	format func(T) string
	mu     sync.Mutex // guards w: runs take turns, batch by batch
	w      io.Writer
}

var (
	_ stage.Sink[int]     = (*writerSink[int])(nil)
	_ stage.SinkDescriber = (*writerSink[int])(nil)
)

// SinkTraits says that order is kept.
func (s *writerSink[T]) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{Name: s.name, OrderedKeys: true}
}

// Open gives a writer that shares w with those of other runs.
func (s *writerSink[T]) Open(context.Context) (stage.Writer[T], error) {
	return &textWriter[T]{sink: s}, nil
}

type textWriter[T any] struct {
	sink *writerSink[T]
	buf  bytes.Buffer
	ends []int // of the values' lines in buf
}

// Write writes the lines. If w takes a part of them, the values of the others failed: they are the
// last of the batch, so no key goes on behind its failure (rule 8).
func (t *textWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.buf.Reset()
	t.ends = t.ends[:0]
	for _, v := range b.Values {
		t.buf.WriteString(t.sink.format(v))
		t.buf.WriteByte('\n')
		t.ends = append(t.ends, t.buf.Len())
	}
	n, err := t.sink.write(t.buf.Bytes())
	if err == nil {
		return nil
	}
	var failed stage.BatchError
	for i, end := range t.ends {
		if end > n {
			failed.Fail(i, fmt.Errorf("sinks: write to %s: %w", t.sink.name, err))
		}
	}
	return failed.OrNil()
}

func (s *writerSink[T]) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// Close leaves w open: it is the caller's.
func (t *textWriter[T]) Close(context.Context) error { return nil }
