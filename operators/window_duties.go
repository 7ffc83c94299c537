package operators

import (
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// chain is duties in an arena, linked from the last that came to the first, so that adding one touches
// no other.
type chain struct{ last, first, n int32 } // places from 1; 0 is none

// arena keeps the duties that panes hold, so that a pane with few needs no memory of its own.
type arena struct {
	blocks []*[arenaBlock]held
	used   int32 // places given out so far
	free   int32 // the first of the places that were given back
}

type held struct {
	duty stage.Duty
	next int32 // the one that came before, or another that is free
}

const arenaBlock = 1 << 10

func (a *arena) at(place int32) *held { return &a.blocks[(place-1)/arenaBlock][(place-1)%arenaBlock] }

func (a *arena) add(c *chain, d stage.Duty) {
	place := a.free
	if place == 0 {
		if a.used%arenaBlock == 0 {
			a.blocks = append(a.blocks, new([arenaBlock]held))
		}
		a.used++
		place = a.used
	} else {
		a.free = a.at(place).next
	}
	*a.at(place) = held{duty: d, next: c.last}
	if c.last = place; c.n == 0 {
		c.first = place
	}
	c.n++
}

// join moves the duties of b to the end of a chain.
func (a *arena) join(c *chain, b chain) {
	if c.n == 0 {
		*c = b
	} else if b.n > 0 {
		a.at(b.first).next = c.last
		c.last, c.n = b.last, c.n+b.n
	}
}

// take moves the duties of a chain to the end of a slice, in the order in which they came.
func (a *arena) take(c *chain, to []stage.Duty) []stage.Duty {
	from := len(to)
	for place := c.last; place != 0; {
		h := a.at(place)
		to = append(to, h.duty)
		next := h.next
		*h = held{next: a.free}
		a.free = place
		place = next
	}
	*c = chain{}
	slices.Reverse(to[from:])
	return to
}
