package engine

import "sync"

// tide counts the sources that are reading. When none is, what the stages hold must be emitted,
// or those that wait for outcomes would wait for ever.
type tide struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, at each change
	reading int
	left    int  // sources that have not ended
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
	t.announceLocked()
}

// isLow tells whether no source is reading now.
func (t *tide) isLow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reading == 0
}

// turn wakes who waits, since the run drains.
func (t *tide) turn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turned = true
	t.announceLocked()
}

// awaitLow waits until no source is reading, and reports false when all have ended or the run
// drains.
func (t *tide) awaitLow() bool {
	for {
		t.mu.Lock()
		low, over := t.low, t.left == 0 || t.turned
		if low {
			t.low = false
		}
		changed := t.changed
		t.mu.Unlock()
		switch {
		case over:
			return false
		case low:
			return true
		}
		<-changed
	}
}
