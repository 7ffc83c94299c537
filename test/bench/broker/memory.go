package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// measureMemory takes what stored messages take, in the server's process.
func measureMemory(ctx context.Context, w io.Writer, o options) (err error) {
	ctx = as(ctx, "bench@1")
	s, err := startOurs("broker")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.firstMessage(ctx); err != nil { // so that connections and the like are there
		return err
	}
	before, err := s.process.footprint()
	if err != nil {
		return err
	}
	if err := s.fill(ctx, "memory", o.stored); err != nil {
		return err
	}
	after, err := s.process.footprint()
	if err != nil {
		return err
	}
	n := float64(o.stored)
	_, err = fmt.Fprintf(w, "# %d messages of %d bytes stored\nRATIO memory-heap-bytes-a-message %.0f\nRATIO memory-resident-bytes-a-message %.0f\n",
		o.stored, bodySize, float64(after.Heap-before.Heap)/n, float64(after.Resident-before.Resident)/n)
	return err
}

// fill stores messages in a topic.
func (s *server) fill(ctx context.Context, topic string, n int) error {
	_, err := rate(ctx, senders, upTo(n), func(ctx context.Context) (int, error) {
		return sendSize, s.send(ctx, topic, sendSize)
	})
	return err
}
