package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// windowKeys is how many keys there are, each of which occurs in equal shares.
const windowKeys = 1_000_000

// keyOf scatters numbers over the keys.
var keyOf = func(x int) int { return int(uint64(x) * 0x9e3779b97f4a7c15 >> 20 % windowKeys) }

// timeOf gives each number a time of its own, in order.
var timeOf = func(x int) time.Time { return time.Unix(0, int64(x)*1000) }

// measureWindow compares a count per key in tumbling windows with a loop over a map of the same keys.
// Each key has two records, all of them in one window; so each fires, once.
func measureWindow(ctx context.Context, w io.Writer, s sizes) error {
	const records = 2 * windowKeys
	var us, loop, over, aa, memory, mapMemory []float64
	for range s.rounds {
		var keys int
		loop = append(loop, timed(records, func() { keys = len(countByMap(records)) }))
		again := timed(records, func() { countByMap(records) })
		var err error
		us = append(us, timed(records, func() { err = countByWindow(ctx, records, keys, nil) }))
		if err != nil {
			return err
		}
		over = append(over, last(us)/last(loop))
		aa = append(aa, again/last(loop))
	}
	// Memory is measured apart: a collection takes its time.
	keys := len(countByMap(records))
	before := heap()
	err := countByWindow(ctx, records, keys, func() { memory = append(memory, float64(heap()-before)/float64(keys)) })
	if err != nil {
		return err
	}
	before = heap()
	m := countByMap(records)
	mapMemory = append(mapMemory, float64(heap()-before)/float64(len(m)))
	runtime.KeepAlive(m)
	_, err = fmt.Fprintf(w, "# window: %d keys; ns a record, medians: map %.0f, rocketflow %.0f; bytes a key: map %.0f\n%s%s%s",
		keys, ratio.Median(loop), ratio.Median(us), mapMemory[0],
		ratio.Line("window-us-over-map", over, 2), ratio.Line("window-aa", aa, 2),
		ratio.Line("window-bytes-a-key", memory, 0))
	return err
}

// countByMap is what a programmer would write who needs no windows.
func countByMap(n int) map[int]int {
	counts := make(map[int]int)
	for x := range n {
		counts[keyOf(x)]++
	}
	return counts
}

// countByWindow counts in windows, and calls full when all records are in them.
func countByWindow(ctx context.Context, n, keys int, full func()) error {
	src := &numbers{n: n}
	fired, counted := 0, 0
	p := flow.From[int](endingWith{src, full}).
		KeyBy(func(x int) int { return keyOf(x) }).
		Window(flow.Tumbling(time.Hour), flow.EventTime(func(x int) time.Time { return timeOf(x) }, time.Second)).
		DropLate().
		Agg(func() int { return 0 }, func(n, _ int) int { return n + 1 }).
		Map(func(w flow.Window[int, int]) int { fired++; counted += w.Value; return 0 }).
		To(discard{})
	if err := p.Run(ctx); err != nil {
		return err
	}
	if fired != keys || counted != n {
		return fmt.Errorf("bench: %d windows with %d records, of %d keys and %d records", fired, counted, keys, n)
	}
	return src.check()
}

// endingWith calls a function before the end of a source.
type endingWith struct {
	*numbers
	f func()
}

func (s endingWith) Open(ctx context.Context) (stage.Reader[int], error) {
	r, err := s.numbers.Open(ctx)
	return endingReader{r, s.f}, err
}

type endingReader struct {
	stage.Reader[int]
	f func()
}

func (r endingReader) Read(ctx context.Context) (stage.Batch[int], error) {
	b, err := r.Reader.Read(ctx)
	if err != nil && r.f != nil {
		r.f()
	}
	return b, err
}

// heap is the memory that is alive.
func heap() int64 {
	var s runtime.MemStats
	for range 3 { // what pools hold is free after the second
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
