package operators

import (
	"iter"
	"math/bits"
)

// frame is a stretch of time with its panes, which are complete together: those of all keys that have
// an aligned window there, or a single session or count window.
type frame[K comparable, A any] struct {
	start, end instant
	until      instant     // when it is complete: always, if that is by count
	panes      panes[K, A] // in the order in which they began
	index      *index      // of aligned windows
	first      string      // see Window.First
	size       int         // of a count window

	place  int  // in the agenda; -1 if it is not there
	due    bool // the watermark has passed the end
	listed bool // among those to be dropped one day
	fate   *fate
}

// paneOf gives the pane of a key, nil if there is none.
func (f *frame[K, A]) paneOf(hash uint32, key K) *pane[K, A] {
	place, ok := f.index.find(hash, func(place int) bool { return f.panes.at(place).key == key })
	if !ok {
		return nil
	}
	return f.panes.at(place)
}

// panes is a list of panes that stay where they are. There may be very many: they lie in blocks, so few that
// to find one waits for no memory but its own.
type panes[K comparable, A any] struct {
	blocks [][]pane[K, A] // the first of leastPanes, each next one of twice as many, up to mostPanes
	n      int            // those that have begun
}

const (
	leastPanes = 4
	mostPanes  = 1024
	// doublings is how many blocks are smaller than mostPanes, and doubled is how many panes are in them.
	doublings = 8
	doubled   = mostPanes - leastPanes
)

func (l *panes[K, A]) at(i int) *pane[K, A] {
	block, at := blockOf(i)
	return &l.blocks[block][at]
}

// blockOf gives the block that a place is in, and where it is there.
func blockOf(i int) (block, at int) {
	if i >= doubled {
		i -= doubled
		return doublings + i/mostPanes, i % mostPanes
	}
	block = bits.Len(uint(i/leastPanes+1)) - 1
	return block, i - leastPanes*(1<<block-1)
}

// blank gives the place for another pane, which has it when it begins. Alone says that there will be no other.
func (l *panes[K, A]) blank(alone bool) *pane[K, A] {
	block, at := blockOf(l.n)
	if block == len(l.blocks) {
		size := mostPanes
		switch {
		case alone:
			size = 1
		case block < doublings:
			size = leastPanes << block
		}
		l.blocks = append(l.blocks, make([]pane[K, A], size))
	}
	return &l.blocks[block][at]
}

// begin takes the blank pane in, and gives its place.
func (l *panes[K, A]) begin() int {
	l.n++
	return l.n - 1
}

// all gives all panes.
func (l *panes[K, A]) all() iter.Seq[*pane[K, A]] {
	return func(yield func(*pane[K, A]) bool) {
		left := l.n
		for _, block := range l.blocks {
			block = block[:min(len(block), left)]
			left -= len(block)
			for i := range block {
				if !yield(&block[i]) {
					return
				}
			}
		}
	}
}
