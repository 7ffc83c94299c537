package gostreams

import "github.com/reugn/go-streams"

// Chain connects flows, and gives them as one: its input is the first one's, its output the last
// one's. (What Via of a stock flow gives has the input of the last.) Without flows it is nil.
func Chain(flows ...streams.Flow) streams.Flow {
	if len(flows) == 0 {
		return nil
	}
	last := flows[0]
	for _, next := range flows[1:] {
		last = last.Via(next)
	}
	return connected{Flow: last, first: flows[0]}
}

// connected is the last of several flows, with the input of the first.
type connected struct {
	streams.Flow
	first streams.Flow
}

// In gives the first one's input.
func (c connected) In() chan<- any { return c.first.In() }
