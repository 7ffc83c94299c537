// Command flow measures the engine: chains of cheap functions, one with real work in it, and a parallel
// map, through rocketflow with acknowledgements on, through other libraries, and as a plain loop that
// calls the same functions. It prints a line a figure:
//
//	RATIO <name> <median> (<min>..<max>)
//
// Those that are compared alternate in every round, and each round gives one ratio, so that a machine
// whose speed drifts drifts for all of them. The rows called "aa" compare a thing with itself: how far
// they are from 1 is the noise of the others.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"time"
)

// sizes are how much is measured.
type sizes struct {
	rounds  int
	records int // of a measurement of rocketflow and of the loop
	peer    int // of libraries that take longer
}

// row is one comparison: it runs its rounds and prints its figures.
type row struct {
	name string
	run  func(ctx context.Context, w io.Writer, s sizes) error
}

func rows() []row {
	return []row{
		{"chain", measureChains},
		{"work", measureWork},
		{"parmap", measureParMap},
		{"window", measureWindow},
		{"disk", measureWindowOnDisk},
		{"edge", measureEdge},
	}
}

func main() {
	var s sizes
	flag.IntVar(&s.rounds, "rounds", 9, "rounds, each of which gives a ratio")
	flag.IntVar(&s.records, "records", 2_000_000, "records of a measurement of rocketflow and of the loop")
	flag.IntVar(&s.peer, "peer-records", 100_000, "records of a measurement of a library that takes longer")
	which := flag.String("rows", "", "a regular expression: the rows to measure")
	flag.Parse()
	if err := run(os.Stdout, *which, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer, which string, s sizes) error {
	wanted, err := regexp.Compile(which)
	if err != nil {
		return fmt.Errorf("bench: rows: %w", err)
	}
	for _, r := range rows() {
		if !wanted.MatchString(r.name) {
			continue
		}
		if err := r.run(context.Background(), w, s); err != nil {
			return err
		}
	}
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
