package main

import (
	"context"
	"fmt"
	"io"

	"github.com/destel/rill"
	"github.com/samber/ro"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// measureParMap compares a parallel map that keeps the order, with a microsecond of work a record, on
// two workers and on one; with rill's, and with ro's map, which works on one goroutine.
func measureParMap(ctx context.Context, w io.Writer, s sizes) error {
	n := s.peer
	var one, two, again, rillOne, rillTwo, roMap []float64 // ns a record
	var speedup, aa, underRill, underRo []float64
	for range s.rounds {
		for _, m := range []struct {
			into *[]float64
			f    func() (int, error)
		}{
			{&one, func() (int, error) { return parallelWork(ctx, 1, n) }},
			{&two, func() (int, error) { return parallelWork(ctx, 2, n) }},
			{&again, func() (int, error) { return parallelWork(ctx, 2, n) }},
			{&rillOne, func() (int, error) { return rillWork(1, n) }},
			{&rillTwo, func() (int, error) { return rillWork(2, n) }},
			{&roMap, func() (int, error) { return roWork(n) }},
		} {
			var got int
			var err error
			*m.into = append(*m.into, timed(n, func() { got, err = m.f() }))
			if err != nil {
				return err
			}
			if got != n {
				return fmt.Errorf("bench: %d of %d records came out of a parallel map", got, n)
			}
		}
		speedup = append(speedup, last(one)/last(two))
		aa = append(aa, last(again)/last(two))
		underRill = append(underRill, last(rillTwo)/last(two))
		underRo = append(underRo, last(roMap)/last(two))
	}
	_, err := fmt.Fprintf(w, "# parmap: ns a record, medians: rocketflow on 1 %.0f, on 2 %.0f; rill on 1 %.0f, on 2 %.0f; ro %.0f\n%s%s%s%s",
		ratio.Median(one), ratio.Median(two), ratio.Median(rillOne), ratio.Median(rillTwo), ratio.Median(roMap),
		ratio.Line("parmap-2-workers-over-1", speedup, 2),
		ratio.Line("parmap-rill-over-us", underRill, 2),
		ratio.Line("parmap-ro-over-us", underRo, 2),
		ratio.Line("parmap-aa", aa, 2))
	return err
}

func rillWork(workers, n int) (int, error) {
	reached = 0
	in := make(chan int, readSize)
	go func() {
		defer close(in)
		for x := range n {
			in <- x
		}
	}()
	out := rill.OrderedMap(rill.FromChan(in, nil), workers, func(x int) (int, error) { return microsecond(x), nil })
	err := rill.ForEach(out, 1, func(x int) error { count(x); return nil })
	return reached, err
}

func roWork(n int) (int, error) {
	reached = 0
	var failed error
	ro.Pipe1(ro.Range(0, int64(n)), ro.Map(func(x int64) int { return microsecond(int(x)) })).Subscribe(ro.NewObserver(
		func(x int) { count(x) }, func(err error) { failed = err }, func() {}))
	return reached, failed
}
