package operators

import "github.com/rocketflow-io/rocketflow/flow/stage"

// chain is duties in an arena, in the order in which they came.
type chain struct{ head, tail, n int32 } // places from 1; 0 is none

// arena keeps the duties that panes hold, so that a pane with few needs no memory of its own.
type arena struct {
	blocks []*[arenaBlock]held
	used   int32 // places given out so far
	free   int32 // the first of the places that were given back
}

type held struct {
	duty stage.Duty
	next int32
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
	*a.at(place) = held{duty: d}
	if c.n == 0 {
		c.head = place
	} else {
		a.at(c.tail).next = place
	}
	c.tail = place
	c.n++
}

// join moves the duties of b to the end of a chain.
func (a *arena) join(c *chain, b chain) {
	if c.n == 0 {
		*c = b
	} else if b.n > 0 {
		a.at(c.tail).next = b.head
		c.tail, c.n = b.tail, c.n+b.n
	}
}

// take moves the duties of a chain to the end of a slice.
func (a *arena) take(c *chain, to []stage.Duty) []stage.Duty {
	for place := c.head; place != 0; {
		h := a.at(place)
		to = append(to, h.duty)
		next := h.next
		*h = held{next: a.free}
		a.free = place
		place = next
	}
	*c = chain{}
	return to
}
