package main

import (
	"context"
	"fmt"
	"io"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// measureChains compares chains of 3, 5 and 10 operators, and what the longest costs over the one of
// half its length.
func measureChains(ctx context.Context, w io.Writer, s sizes) error {
	chains := []*chain{{length: 3}, {length: 5}, {length: 10}}
	var tenOverFive []float64
	for range s.rounds {
		for _, c := range chains {
			if err := c.round(ctx, s); err != nil {
				return err
			}
		}
		tenOverFive = append(tenOverFive, last(chains[2].us)/last(chains[1].us))
	}
	for _, c := range chains {
		if err := c.print(w); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, ratio.Line("chain10-us-over-chain5", tenOverFive, 2))
	return err
}

func last(values []float64) float64 { return values[len(values)-1] }

// chain gathers one ratio of each kind a round.
type chain struct {
	length int

	us, loop, streams          []float64 // ns a record
	overLoop, underStreams, aa []float64
	allocs                     []float64 // a record
}

func (c *chain) round(ctx context.Context, s sizes) error {
	want := plainLoop(c.length, s.records)
	loop := timed(s.records, func() { plainLoop(c.length, s.records) })
	again := timed(s.records, func() { plainLoop(c.length, s.records) })

	before := mallocs()
	var got int
	var err error
	us := timed(s.records, func() { got, err = rocketflow(ctx, c.length, s.records) })
	allocs := float64(mallocs()-before) / float64(s.records)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("bench: rocketflow counted %d records at the end of the chain, the loop %d", got, want)
	}

	wantPeer := plainLoop(c.length, s.peer)
	streams := timed(s.peer, func() { got = goStreams(c.length, s.peer) })
	if got != wantPeer {
		return fmt.Errorf("bench: go-streams counted %d records at the end of the chain, the loop %d", got, wantPeer)
	}

	c.us, c.loop, c.streams = append(c.us, us), append(c.loop, loop), append(c.streams, streams)
	c.overLoop = append(c.overLoop, us/loop)
	c.underStreams = append(c.underStreams, streams/us)
	c.aa = append(c.aa, again/loop)
	c.allocs = append(c.allocs, allocs)
	return nil
}

func (c *chain) print(w io.Writer) error {
	name := fmt.Sprintf("chain%d", c.length)
	_, err := fmt.Fprintf(w, "# %s: ns a record, medians: loop %.1f, rocketflow %.1f, go-streams %.0f\n%s%s%s%s",
		name, ratio.Median(c.loop), ratio.Median(c.us), ratio.Median(c.streams),
		ratio.Line(name+"-gostreams-over-us", c.underStreams, 1),
		ratio.Line(name+"-us-over-loop", c.overLoop, 2),
		ratio.Line(name+"-aa", c.aa, 2),
		ratio.Line(name+"-allocs", c.allocs, 5))
	return err
}
