package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

// A world is one simulated run.
type world struct {
	seed   uint64
	begun  time.Time
	calm   time.Time     // when the storm ends: no fault begins after that
	lease  time.Duration // of messages
	rates  [Kinds]int    // how often a kind hits: a thousand calls, or a hundred openings or burials; 0 for never
	ledger *ledger
	host   *host
	goes   sync.WaitGroup // what is still to happen

	mu       sync.Mutex // guards what follows
	links    []*link
	instants map[int64]bool
	draws    map[string]randpipe.Dice
	counts   Counts
	trace    uint64 // of all events with their times, whatever the order of those at one instant
	events   []string
	keeps    bool // events
}

func newWorld(seed uint64, keeps bool) *world {
	w := &world{
		seed: seed, begun: time.Now(), instants: make(map[int64]bool), draws: make(map[string]randpipe.Dice), keeps: keeps,
	}
	w.ledger = newLedger(w)
	return w
}

// draw gives the dice of one thing, such as the calls of one client to one method. What happens to it
// does not depend on how often others draw.
func (w *world) draw(about string) randpipe.Dice {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.draws[about]
	if !ok {
		d = randpipe.NewDice(w.seed, about)
		w.draws[about] = d
	}
	return d
}

// stormy tells whether faults may begin.
func (w *world) stormy() bool { return time.Now().Before(w.calm) }

// instant gives how long it is until a time about d from now at which nothing else happens.
func (w *world) instant(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UnixNano()
	at := now + max(int64(d), 1)
	for w.instants[at] || at%int64(time.Millisecond) == 0 { // timers of the broker are at whole milliseconds
		at++
	}
	w.instants[at] = true
	return time.Duration(at - now)
}

// sleep waits until an instant of its own, about d from now; false if ctx ends first.
func (w *world) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(w.instant(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// happened counts a fault.
func (w *world) happened(k Kind, format string, args ...any) {
	w.mu.Lock()
	w.counts[k]++
	w.mu.Unlock()
	w.note(k.String()+": "+format, args...)
}

// note writes down what happened, for the trace.
func (w *world) note(format string, args ...any) {
	at := time.Since(w.begun)
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace += randpipe.Mix(uint64(at), randpipe.Hash(text))
	if w.keeps {
		w.events = append(w.events, fmt.Sprintf("%14.9fs %s", at.Seconds(), text))
	}
}
