package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// measureEdge compares what an edge between goroutines adds to a chain, at full load, with a hop over a
// channel without a buffer, and tells how long a record takes over an edge that has nothing else to do.
// The chain has nothing in it, so that what runs at the same time on both sides hides nothing.
func measureEdge(ctx context.Context, w io.Writer, s sizes) error {
	var fused, edge, again, hop, added, channelOver, aa []float64 // ns a record
	for range s.rounds {
		for _, m := range []struct {
			into    *[]float64
			records int
			f       func() (int, error)
		}{
			{&fused, s.records, func() (int, error) { return emptyChain(ctx, s.records, false) }},
			{&edge, s.records, func() (int, error) { return emptyChain(ctx, s.records, true) }},
			{&again, s.records, func() (int, error) { return emptyChain(ctx, s.records, true) }},
			{&hop, s.peer, func() (int, error) { return channel(s.peer), nil }},
		} {
			var got int
			var err error
			*m.into = append(*m.into, timed(m.records, func() { got, err = m.f() }))
			if err != nil {
				return err
			}
			if got != m.records {
				return fmt.Errorf("bench: %d of %d records came over an edge", got, m.records)
			}
		}
		added = append(added, last(edge)-last(fused))
		channelOver = append(channelOver, last(hop)/max(last(added), 1))
		aa = append(aa, last(again)/last(edge))
	}
	latency, err := edgeLatency(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "# edge: ns a record, medians: channel %.0f, edge %.1f over a chain of %.1f; over an idle one %v, of 100 records one %v\n%s%s%s",
		ratio.Median(hop), ratio.Median(added), ratio.Median(fused), latency[len(latency)/2], latency[len(latency)*99/100],
		ratio.Line("edge-channel-over-us", channelOver, 1),
		ratio.Line("edge-aa", aa, 2),
		ratio.Line("edge-idle-latency-over-1ms", []float64{float64(latency[len(latency)*99/100]) / float64(time.Millisecond)}, 3))
	return err
}

func emptyChain(ctx context.Context, n int, edge bool) (int, error) {
	reached = 0
	src := &numbers{n: n}
	s := flow.From[int](src)
	if edge {
		s = s.Async()
	}
	if err := s.Map(count).To(discard{}).Run(ctx); err != nil {
		return 0, err
	}
	return reached, src.check()
}

// channel sends numbers to another goroutine, one by one.
func channel(n int) int {
	reached = 0
	in, over := make(chan int), make(chan struct{})
	go func() {
		defer close(over)
		for x := range in {
			count(x)
		}
	}()
	for x := range n {
		in <- x
	}
	close(in)
	<-over
	return reached
}

// edgeLatency gives, in order, how long records took over an edge that each came to 10 ms after the last.
func edgeLatency(ctx context.Context) ([]time.Duration, error) {
	const records = 300
	taken := make([]time.Duration, 0, records)
	look := func(begun time.Time) { taken = append(taken, time.Since(begun)) }
	err := flow.From[time.Time](&ticks{left: records}).Async().Tap(look).Map(func(time.Time) int { return 0 }).To(discard{}).Run(ctx)
	if err == nil && len(taken) != records {
		err = errors.New("bench: records were lost on an edge")
	}
	slices.Sort(taken)
	return taken, err
}

// ticks is a source of the times at which it was read, 100 a second.
type ticks struct{ left int }

func (t *ticks) Open(context.Context) (stage.Reader[time.Time], error) { return t, nil }

func (t *ticks) Read(context.Context) (stage.Batch[time.Time], error) {
	if t.left == 0 {
		return stage.Batch[time.Time]{}, io.EOF
	}
	t.left--
	time.Sleep(10 * time.Millisecond)
	return stage.Batch[time.Time]{Values: []time.Time{time.Now()}}, nil
}

func (t *ticks) Close(context.Context) error { return nil }
