package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// realStarts is how often the real server is started to take its time.
const realStarts = 3

// measureFirst takes the time from the start of a server's process to its first message, sent and
// received.
func measureFirst(ctx context.Context, w io.Writer, o options) error {
	ctx = as(ctx, "bench@1")
	ours, err := firstTimes(ctx, o.rounds, func() (*server, error) { return startOurs("broker") })
	if err != nil {
		return err
	}
	if !o.real {
		_, err := fmt.Fprintf(w, "# first message, median: us %.3f s\n", ratio.Median(ours))
		return err
	}
	theirs, err := firstTimes(ctx, realStarts, func() (*server, error) { return startReal(ctx) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "# first message, medians: us %.3f s, real %.3f s\n", ratio.Median(ours), ratio.Median(theirs))
	if err != nil {
		return err
	}
	over := make([]float64, len(theirs))
	for i, t := range theirs {
		over[i] = t / ratio.Median(ours)
	}
	_, err = io.WriteString(w, ratio.Line("first-message-real-over-us", over, 0))
	return err
}

// firstTimes gives the times of some starts, in seconds.
func firstTimes(ctx context.Context, n int, start func() (*server, error)) ([]float64, error) {
	times := make([]float64, n)
	for i := range times {
		begun := time.Now()
		s, err := start()
		if err != nil {
			return nil, err
		}
		err = s.firstMessage(ctx)
		times[i] = time.Since(begun).Seconds()
		if err := errors.Join(err, s.close()); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// firstMessage sends a message to a new topic and receives it in a new group.
func (s *server) firstMessage(ctx context.Context) error {
	topic, err := s.topic(ctx)
	if err != nil {
		return err
	}
	if err := s.send(ctx, topic, 1); err != nil {
		return err
	}
	group, err := s.group(ctx, topic)
	if err != nil {
		return err
	}
	n, err := s.receive(ctx, group, topic, 20*time.Second)
	if err == nil && n != 1 {
		err = fmt.Errorf("bench: received %d messages instead of the first", n)
	}
	return err
}
