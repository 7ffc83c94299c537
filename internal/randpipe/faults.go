package randpipe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ErrFault is what functions of random pipelines fail with.
var ErrFault = errors.New("injected fault")

// Fault is how a function fails.
type Fault int

// The faults, the worse the later.
const (
	NoFault Fault = iota
	Plain
	Permanent // by an error that says that no retry mends it
	Panic
	OfStore // what it keeps cannot be read or written
)

// Env is the world of a random pipeline: it has the time, and notes what happens.
type Env interface {
	// Sleep lets a function take its time at a value.
	Sleep(stage string, it Item, d time.Duration)
	// Stall lets it take longer than the lease, if that may be now.
	Stall(stage string, it Item)
	// Failed notes that a stage fails at values, before it does.
	Failed(stage string, kind Fault, items []Item)
	// Dropped notes that an operator may drop a value.
	Dropped(at Place)
	// Kept notes that a store has a value, in some delivery, and answers for it.
	Kept(at Place)
	// Arrived notes that a value is in something that no sink writes.
	Arrived(where string, it Item)
	// Copies tells how often an input may have been stored as another.
	Copies(src int) int
	// Repeated notes that an operator gives a value once more, as it may.
	Repeated(at Place)
	// Wrong notes that an operator does not do what it promises.
	Wrong(format string, args ...any)
}

// Faults lets a function fail for some values: by the value's ID the first few times, or always.
type Faults struct {
	env     Env
	stage   string
	salt    uint64
	percent uint64
	mild    bool          // never always
	slow    time.Duration // the most that a call takes
	stalls  uint64        // percent of the values whose first call takes longer than the lease

	mu    sync.Mutex
	calls map[uint64]int
	seen  map[uint64]bool
}

// Next counts a call for a value, and tells how it is to fail.
func (f *Faults) Next(id uint64) Fault {
	h := Mix(f.salt, id)
	if h%100 >= f.percent {
		return NoFault
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[id]++
	if times := h >> 8 % 6; f.calls[id] > int(times)+1 && (times < 5 || f.mild) {
		return NoFault
	}
	switch h >> 16 % 10 {
	case 0:
		return Permanent
	case 1, 2:
		return Panic
	}
	return Plain
}

// first tells whether a value is seen for the first time in the world.
func (f *Faults) first(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen[id]
	f.seen[id] = true
	return !seen
}

// Latency is how long a call for a value takes.
func (f *Faults) Latency(it Item) time.Duration {
	if f.slow == 0 {
		return 0
	}
	return time.Duration(Mix(f.salt, it.ID, uint64(it.Delivery)) % uint64(f.slow))
}

// try fails, by an error or a panic, if one of the values is due to. The failure is that of all.
func (f *Faults) try(_ context.Context, items ...Item) error {
	if d := f.Latency(items[0]); d > 0 {
		f.env.Sleep(f.stage, items[0], d)
	}
	if Mix(f.salt, items[0].ID, 1)%100 < f.stalls && f.first(items[0].ID) {
		f.env.Stall(f.stage, items[0])
	}
	kind := NoFault
	for _, it := range items {
		kind = max(kind, f.Next(it.ID))
	}
	if kind == NoFault {
		return nil
	}
	f.env.Failed(f.stage, kind, items)
	switch {
	case kind == Panic:
		panic(ErrFault)
	case kind == Permanent && items[0].ID%2 == 0:
		return backoff.Permanent(ErrFault)
	case kind == Permanent:
		return stage.Permanent(ErrFault)
	}
	return fmt.Errorf("%s: %w", f.stage, ErrFault)
}

// panics is try for functions that cannot fail otherwise.
func (f *Faults) panics(it Item) {
	if err := f.try(context.Background(), it); err != nil {
		panic(err)
	}
}
