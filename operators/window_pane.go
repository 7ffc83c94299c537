package operators

import (
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// pane is a window of one key.
type pane[K comparable, A any] struct {
	key   K
	value A
	frame *frame[K, A]
	held  chain // duties that no result has taken along

	results int32 // so far
	begun   bool  // it is in its frame
	changed bool  // since the last result, and listed for an early one
	dirty   bool  // listed for a correction

	more *details[K, A] // nil if there are none
}

// details is what not every pane needs: of those there may be very many.
type details[K comparable, A any] struct {
	number  int         // of the hold; tells a late deadline that there is another
	members []ident     // whose place in the window is known
	former  []former    // what the pane has given results as before its start changed
	into    *pane[K, A] // the session that it has become part of
}

// detail gives the details of a pane to be changed.
func (p *pane[K, A]) detail() *details[K, A] {
	if p.more == nil {
		p.more = &details[K, A]{}
	}
	return p.more
}

// members gives the records whose place in the pane is known, and former what it has given results as
// before its start changed.
func (p *pane[K, A]) members() []ident {
	if p.more == nil {
		return nil
	}
	return p.more.members
}

func (p *pane[K, A]) former() []former {
	if p.more == nil {
		return nil
	}
	return p.more.former
}

// former is a pane that is no more, of which there have been results.
type former struct {
	start, end instant
	results    int32
}

// resolve gives the pane that p has become part of.
func (p *pane[K, A]) resolve() *pane[K, A] {
	for p.absorbed() {
		p = p.more.into
	}
	return p
}

func (p *pane[K, A]) absorbed() bool { return p.more != nil && p.more.into != nil }

// fate is what becomes of the results of a frame. A record can come again as long as a result is on its
// way, or has not been settled for long. The zero fate has no results.
type fate struct {
	out  atomic.Int64 // slabs that are on their way
	last atomic.Int64 // an instant: when one was settled
	also []*fate      // of sessions that have become part of this one
}

var (
	_ stage.SlabOwner = (*fate)(nil)
	_ stage.Bystander = (*fate)(nil)
)

// send gives duties to be joined with n results: they tell when those are settled.
func (f *fate) send(n int) *stage.Slab {
	f.out.Add(1)
	s := &stage.Slab{}
	s.Open(n, f, stage.SlabOptions{Quiet: true})
	return s
}

// Settled notes that the results of one slab are.
func (f *fate) Settled(_ *stage.Slab, all bool) {
	if all {
		f.last.Store(int64(instantOf(time.Now())))
		f.out.Add(-1)
	}
}

func (*fate) Info(int) stage.Info { return stage.Info{} }
func (*fate) Origin(int) any      { return nil }
func (*fate) StandsBy()           {}

// sealed tells whether every result had been settled at a time.
func (f *fate) sealed(at instant) bool {
	for _, other := range f.also {
		if !other.sealed(at) {
			return false
		}
	}
	// Out first: a result that is settled in between has set last.
	return f.out.Load() == 0 && instant(f.last.Load()) <= at
}

// agenda is the frames that are not complete, the one that ends first on top.
type agenda[K comparable, A any] []*frame[K, A]

// next gives when the first of them ends.
func (a agenda[K, A]) next() instant {
	if len(a) == 0 {
		return always
	}
	return a[0].until
}

func (a *agenda[K, A]) add(f *frame[K, A]) {
	f.place = len(*a)
	*a = append(*a, f)
	a.up(f.place)
}

// take removes the frame that ends first.
func (a *agenda[K, A]) take() *frame[K, A] {
	f := (*a)[0]
	a.remove(f)
	return f
}

func (a *agenda[K, A]) remove(f *frame[K, A]) {
	i, last := f.place, len(*a)-1
	if i < 0 {
		return
	}
	a.swap(i, last)
	(*a)[last] = nil
	*a = (*a)[:last]
	f.place = -1
	if i < last {
		a.down(i)
		a.up(i)
	}
}

func (a agenda[K, A]) less(i, j int) bool {
	if a[i].until != a[j].until {
		return a[i].until < a[j].until
	}
	return a[i].start < a[j].start
}

func (a agenda[K, A]) swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a agenda[K, A]) up(i int) {
	for i > 0 && a.less(i, (i-1)/2) {
		a.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (a agenda[K, A]) down(i int) {
	for {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(a) && a.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		a.swap(i, least)
		i = least
	}
}
