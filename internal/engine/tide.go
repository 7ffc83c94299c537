package engine

import "sync"

// tide counts the sources that are reading. When none is, what the stages hold must be emitted,
// or those that wait for outcomes would wait for ever.
type tide struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, at each change
	reading int
	left    int  // sources that have not ended
	floods  int  // how often a source began to read again
	low     bool // none was reading, since awaitLow last returned
	turned  bool // the run drains
}

func (t *tide) open(sources int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed = make(chan struct{})
	t.reading, t.left = sources, sources
}

func (t *tide) announceLocked() {
	if t.changed != nil {
		close(t.changed)
	}
	t.changed = make(chan struct{})
}

// ebb notes that a source is not reading; ended, that it will not again.
func (t *tide) ebb(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading--
	if ended {
		t.left--
	}
	if t.reading == 0 {
		t.low = true
	}
	t.announceLocked()
}

// flood notes that a source is reading again.
func (t *tide) flood() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading++
	t.floods++
	t.announceLocked()
}

// whileLow runs f if no source has read since awaitLow gave the number of floods, and lets none before f
// has returned.
func (t *tide) whileLow(floods int, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reading == 0 && t.floods == floods {
		f()
	}
}

// turn wakes who waits, since the run drains.
func (t *tide) turn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turned = true
	t.announceLocked()
}

// awaitLow waits until no source is reading, and tells how often one has begun to read again. It
// reports false when all have ended or the run drains.
func (t *tide) awaitLow() (floods int, ok bool) {
	for {
		t.mu.Lock()
		low, over := t.low, t.left == 0 || t.turned
		if low {
			t.low = false
		}
		changed, floods := t.changed, t.floods
		if t.reading > 0 {
			floods = -1 // it has begun already
		}
		t.mu.Unlock()
		switch {
		case over:
			return floods, false
		case low:
			return floods, true
		}
		<-changed
	}
}
