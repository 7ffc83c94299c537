package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// turns is how many turns of spin take a microsecond here, when nothing disturbs.
var turns = sync.OnceValue(func() int {
	const n = 1_000_000
	best := 1
	for range 20 {
		begun := time.Now()
		spun = spin(spun, n)
		best = max(best, int(n/max(time.Since(begun).Microseconds(), 1)))
	}
	return best
})

// spun keeps the compiler from leaving out what no one looks at.
var spun int

// spin keeps a processor busy, with nothing of it in memory.
func spin(x, n int) int {
	for range n {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// microsecond is a function that takes about that long, and tells what it was given in the last bits.
func microsecond(x int) int { return spin(x, turns())&^0xffff | x&0xffff }

// measureWork compares the chain of 5 where one of its functions takes a microsecond: what an engine
// costs beside work that is real.
func measureWork(ctx context.Context, w io.Writer, s sizes) error {
	cheap := offset
	defer func() { offset = cheap }()
	offset = func(x int) int { return microsecond(cheap(x)) }
	c := &chain{length: 5}
	s.records = s.peer
	for range s.rounds {
		if err := c.round(ctx, s); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "# work: ns a record, medians: loop %.0f, rocketflow %.0f, go-streams %.0f\n%s%s%s",
		ratio.Median(c.loop), ratio.Median(c.us), ratio.Median(c.streams),
		ratio.Line("work-gostreams-over-us", c.underStreams, 2),
		ratio.Line("work-us-over-loop", c.overLoop, 3),
		ratio.Line("work-aa", c.aa, 3))
	return err
}

// parallelWork runs a microsecond of work for each record on workers, in order.
func parallelWork(ctx context.Context, workers, n int) (int, error) {
	reached = 0
	src := &numbers{n: n}
	work := func(_ context.Context, x int) (int, error) { return microsecond(x), nil }
	if err := flow.From[int](src).ParMap(workers, work).Map(count).To(discard{}).Run(ctx); err != nil {
		return 0, err
	}
	return reached, src.check()
}
