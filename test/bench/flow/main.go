// Command flow measures the engine: chains of cheap functions through rocketflow with
// acknowledgements on, through go-streams, and as a plain loop that calls the same functions. It
// prints a line a figure:
//
//	RATIO <name> <median> (<min>..<max>)
//
// The three alternate in every round, and each round gives one ratio, so that a machine whose
// speed drifts drifts for all of them. The row "chain5-aa" compares the loop with itself: how far
// it is from 1 is the noise of the others.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

func main() {
	rounds := flag.Int("rounds", 9, "rounds, each of which gives a ratio")
	records := flag.Int("records", 2_000_000, "records of a measurement of rocketflow and of the loop")
	peer := flag.Int("peer-records", 100_000, "records of a measurement of go-streams, which takes longer")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *records, *peer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer, rounds, records, peer int) error {
	for _, length := range []int{3, 5} {
		m := &measurement{length: length, records: records, peer: peer}
		for range rounds {
			if err := m.round(context.Background()); err != nil {
				return err
			}
		}
		if err := m.print(w); err != nil {
			return err
		}
	}
	return nil
}

// measurement gathers one ratio of each kind a round.
type measurement struct {
	length, records, peer int

	us, loop, streams          []float64 // ns a record
	overLoop, underStreams, aa []float64
	allocs                     []float64 // a record
}

func (m *measurement) round(ctx context.Context) error {
	want := plainLoop(m.length, m.records)
	loop := timed(m.records, func() { plainLoop(m.length, m.records) })
	again := timed(m.records, func() { plainLoop(m.length, m.records) })

	before := mallocs()
	var got int
	var err error
	us := timed(m.records, func() { got, err = rocketflow(ctx, m.length, m.records) })
	allocs := float64(mallocs()-before) / float64(m.records)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("bench: rocketflow counted %d records at the end of the chain, the loop %d", got, want)
	}

	wantPeer := plainLoop(m.length, m.peer)
	streams := timed(m.peer, func() { got = goStreams(m.length, m.peer) })
	if got != wantPeer {
		return fmt.Errorf("bench: go-streams counted %d records at the end of the chain, the loop %d", got, wantPeer)
	}

	m.us, m.loop, m.streams = append(m.us, us), append(m.loop, loop), append(m.streams, streams)
	m.overLoop = append(m.overLoop, us/loop)
	m.underStreams = append(m.underStreams, streams/us)
	m.aa = append(m.aa, again/loop)
	m.allocs = append(m.allocs, allocs)
	return nil
}

// timed gives the time of f a record, in nanoseconds.
func timed(records int, f func()) float64 {
	runtime.GC()
	begun := time.Now()
	f()
	return float64(time.Since(begun).Nanoseconds()) / float64(records)
}

func mallocs() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.Mallocs
}

func (m *measurement) print(w io.Writer) error {
	name := fmt.Sprintf("chain%d", m.length)
	_, err := fmt.Fprintf(w, "# %s: ns a record, medians: loop %.1f, rocketflow %.1f, go-streams %.0f\n%s%s%s%s",
		name, ratio.Median(m.loop), ratio.Median(m.us), ratio.Median(m.streams),
		ratio.Line(name+"-gostreams-over-us", m.underStreams, 1),
		ratio.Line(name+"-us-over-loop", m.overLoop, 2),
		ratio.Line(name+"-aa", m.aa, 2),
		ratio.Line(name+"-allocs", m.allocs, 5))
	return err
}
