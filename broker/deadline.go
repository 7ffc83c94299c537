package broker

import "container/heap"

// A deadline is a time at which its owner wants to be called. It is in one heap at most.
type deadline struct {
	at    int64 // Unix milliseconds
	index int   // in its heap; meaningful while queued
	in    bool
	owner interface{ expire(now int64) }
}

// deadlines is a heap: the earliest first. Who owns it holds a lock for it.
type deadlines []*deadline

// set puts d into the heap to expire at the given time, or moves it there.
func (h *deadlines) set(d *deadline, at int64) {
	d.at = at
	if d.in {
		heap.Fix(h, d.index)
		return
	}
	heap.Push(h, d)
}

// remove takes d out, if it is in.
func (h *deadlines) remove(d *deadline) {
	if d.in {
		heap.Remove(h, d.index)
	}
}

// due takes out the earliest, if its time has come.
func (h *deadlines) due(now int64) (*deadline, bool) {
	if len(*h) == 0 || (*h)[0].at > now {
		return nil, false
	}
	return heap.Pop(h).(*deadline), true
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (h deadlines) Len() int           { return len(h) }
func (h deadlines) Less(i, j int) bool { return h[i].at < h[j].at }

// Swap is for container/heap.
func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *deadlines) Push(x any) {
	d := x.(*deadline)
	d.index, d.in = len(*h), true
	*h = append(*h, d)
}

// Pop is for container/heap.
func (h *deadlines) Pop() any {
	old := *h
	last := len(old) - 1
	d := old[last]
	old[last] = nil
	*h = old[:last]
	d.in = false
	return d
}
