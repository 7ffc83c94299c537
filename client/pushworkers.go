package client

import (
	"slices"
	"sync"
)

// workers run tasks, so many at once, in order of arrival. A goroutine starts with a task that finds one
// too few running, and ends when there is no more to do.
type workers struct {
	limit int
	wg    sync.WaitGroup // the goroutines

	mu      sync.Mutex // guards what follows
	running int
	queue   []task // from head on
	head    int
}

// A task is a message of a group that is not FIFO, or a lane with a message to consume.
type task interface{ run() }

// add never waits. Nobody waits for wg while tasks may still come, but from tasks.
func (w *workers) add(tasks ...task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, tasks...)
	for range tasks {
		if w.running == w.limit {
			return
		}
		w.running++
		w.wg.Go(w.work)
	}
}

func (w *workers) work() {
	ended := false
	defer func() {
		if !ended { // a handler has ended the goroutine
			w.wg.Go(w.work)
		}
	}()
	for t := w.next(); t != nil; t = w.next() {
		t.run()
	}
	ended = true
}

func (w *workers) next() task {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head == len(w.queue) {
		w.queue, w.head = w.queue[:0], 0
		w.running--
		return nil
	}
	t := w.queue[w.head]
	w.queue[w.head] = nil // or the array would keep it
	if w.head++; w.head > 1024 && w.head > len(w.queue)/2 {
		w.queue, w.head = slices.Delete(w.queue, 0, w.head), 0
	}
	return t
}

// remove takes out messages, and returns them. Lanes stay.
func (w *workers) remove(which func(*cached) bool) []*cached {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*cached
	w.queue = slices.DeleteFunc(slices.Delete(w.queue, 0, w.head), func(t task) bool {
		c, ok := t.(*cached)
		if ok = ok && which(c); ok {
			out = append(out, c)
		}
		return ok
	})
	w.head = 0
	return out
}
