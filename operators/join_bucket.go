package operators

import "sort"

// bucket is the joinees of one key.
type bucket[K comparable, L, R any] struct{ lanes [2]lane[K, L, R] }

// lane is those of one side, in the order of time.
type lane[K comparable, L, R any] struct{ all []*joinee[K, L, R] }

// from gives the place of the first that is not before a time.
func (l *lane[K, L, R]) from(at instant) int {
	return sort.Search(len(l.all), func(i int) bool { return l.all[i].at >= at })
}

func (l *lane[K, L, R]) add(e *joinee[K, L, R]) {
	l.all = append(l.all, e)
	i := len(l.all) - 1
	for i > 0 && l.all[i-1].at > e.at {
		l.all[i] = l.all[i-1]
		i--
	}
	l.all[i] = e
}

// between adds those whose time is in an interval to a list.
func (l *lane[K, L, R]) between(to []*joinee[K, L, R], first, last instant) []*joinee[K, L, R] {
	for i := l.from(first); i < len(l.all) && l.all[i].at <= last; i++ {
		to = append(to, l.all[i])
	}
	return to
}

// remove takes one out. It is among the first: they leave about as they came.
func (l *lane[K, L, R]) remove(e *joinee[K, L, R]) {
	i := l.from(e.at)
	for l.all[i] != e {
		i++
	}
	copy(l.all[1:i+1], l.all[:i])
	l.all[0] = nil
	l.all = l.all[1:]
}

// calendar is the joinees that have a turn, the one whose is first on top.
type calendar[K comparable, L, R any] []*joinee[K, L, R]

// next gives when the first has its turn.
func (c calendar[K, L, R]) next() instant {
	if len(c) == 0 {
		return always
	}
	return c[0].until
}

func (c *calendar[K, L, R]) add(e *joinee[K, L, R]) {
	*c = append(*c, e)
	i := len(*c) - 1
	for i > 0 && c.less(i, (i-1)/2) {
		c.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

// take removes the first.
func (c *calendar[K, L, R]) take() *joinee[K, L, R] {
	e, last := (*c)[0], len(*c)-1
	c.swap(0, last)
	(*c)[last] = nil
	*c = (*c)[:last]
	for i := 0; ; {
		first := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < last && c.less(child, first) {
				first = child
			}
		}
		if first == i {
			return e
		}
		c.swap(i, first)
		i = first
	}
}

// less orders by time. At one time the left ones are first: without them the right ones of a left join
// give nothing, where one without the right ones would be given without a partner.
func (c *calendar[K, L, R]) less(i, j int) bool {
	a, b := (*c)[i], (*c)[j]
	if a.until != b.until {
		return a.until < b.until
	}
	return a.side < b.side
}

func (c *calendar[K, L, R]) swap(i, j int) { (*c)[i], (*c)[j] = (*c)[j], (*c)[i] }
