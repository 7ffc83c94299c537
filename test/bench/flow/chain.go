package main

import (
	"context"

	streams "github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	peer "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/flow"
)

// The functions of the chains. They are variables, so that no compiler inlines them anywhere: all
// three competitors pay for the same calls. Filters let most through.
var (
	scale  = func(x int) int { return x*5 + 1 }
	even   = func(x int) bool { return x&7 != 3 }
	offset = func(x int) int { return x + 11 }
	small  = func(x int) bool { return x&15 != 2 }
	double = func(x int) int { return x*2 + x&1 }
	odd    = func(x int) bool { return x&15 != 7 }
	count  = func(x int) int { reached++; return x }
)

// reached counts the records at the end of a chain, outside of what is measured.
var reached int

// plainLoop is what a programmer would write who needs no pipeline.
func plainLoop(length, n int) int {
	reached = 0
	for x := range n {
		y := scale(x)
		if !even(y) {
			continue
		}
		if length >= 5 {
			y = offset(y)
			if !small(y) {
				continue
			}
		}
		if length == 10 {
			y = double(offset(y))
			if !odd(y) {
				continue
			}
			y = offset(y)
			if !small(y) {
				continue
			}
		}
		count(y)
	}
	return reached
}

// rocketflow runs the chain with default options: panics are caught, stages counted, errors go by
// policy, and each record is acknowledged.
func rocketflow(ctx context.Context, length, n int) (int, error) {
	reached = 0
	src := &numbers{n: n}
	s := flow.From[int](src).Map(scale).Filter(even)
	if length >= 5 {
		s = s.Map(offset).Filter(small)
	}
	if length == 10 {
		s = s.Map(offset).Map(double).Filter(odd).Map(offset).Filter(small)
	}
	if err := s.Map(count).To(discard{}).Run(ctx); err != nil {
		return 0, err
	}
	return reached, src.check()
}

// goStreams runs the chain from the fastest of go-streams' sources, a channel that is full from
// the start.
func goStreams(length, n int) int {
	reached = 0
	in := make(chan any, n)
	for x := range n {
		in <- x
	}
	close(in)
	var s streams.Flow = peer.NewMap(scale, 1)
	s = extension.NewChanSource(in).Via(s).Via(peer.NewFilter(even, 1))
	if length >= 5 {
		s = s.Via(peer.NewMap(offset, 1)).Via(peer.NewFilter(small, 1))
	}
	if length == 10 {
		s = s.Via(peer.NewMap(offset, 1)).Via(peer.NewMap(double, 1)).Via(peer.NewFilter(odd, 1))
		s = s.Via(peer.NewMap(offset, 1)).Via(peer.NewFilter(small, 1))
	}
	sink := extension.NewIgnoreSink()
	s.Via(peer.NewMap(count, 1)).To(sink)
	sink.AwaitCompletion()
	return reached
}
