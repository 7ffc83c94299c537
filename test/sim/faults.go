package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

var errFault = errors.New("injected fault")

// faults lets a function fail for some values: by the value's id the first few times, or for ever. It
// does so also when the storm is over.
type faults struct {
	w       *world
	stage   string
	salt    uint64
	percent uint64
	slow    time.Duration // the most that a call takes
	stuck   uint64        // percent of the values whose first call takes longer than their lease
	lease   time.Duration

	mu    sync.Mutex
	calls map[uint64]int
}

// next counts a call for a value, and tells how it is to fail: by what kind of fault of functions.
func (f *faults) next(id uint64) Kind {
	h := mix(f.salt, id)
	if h%100 >= f.percent {
		return none
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[id]++
	if times := h >> 8 % 6; f.calls[id] > int(times)+1 && times < 5 {
		return none
	}
	switch h >> 16 % 10 {
	case 0:
		return FunctionFailedForGood
	case 1, 2:
		return FunctionPanicked
	}
	return FunctionFailed
}

// dawdle lets a call take its time.
func (f *faults) dawdle(it item) {
	if f.slow > 0 {
		f.w.happened(FunctionSlow, "%s %x", f.stage, it.id)
		f.w.sleep(context.Background(), time.Duration(mix(f.salt, it.id, uint64(it.delivery))%uint64(f.slow)))
	}
	if mix(f.salt, it.id, 1)%100 >= f.stuck {
		return
	}
	f.mu.Lock()
	f.calls[^it.id]++
	first := f.calls[^it.id] == 1
	f.mu.Unlock()
	if first && f.w.stormy() {
		f.w.happened(LeaseExpired, "%s %x of delivery %d", f.stage, it.id, it.delivery)
		f.w.sleep(context.Background(), f.lease+f.lease/4)
	}
}

// try fails, by an error or a panic, if one of the values is due to. The failure is that of all.
func (f *faults) try(_ context.Context, items ...item) error {
	f.dawdle(items[0])
	kind := none
	for _, it := range items {
		kind = max(kind, f.next(it.id))
	}
	if kind == none {
		return nil
	}
	f.w.happened(kind, "%s %x of delivery %d", f.stage, items[0].id, items[0].delivery)
	for _, it := range items {
		f.w.ledger.failed(place{f.stage, it.delivery, it.id}, kind == FunctionFailedForGood)
	}
	switch kind {
	case FunctionPanicked:
		panic(errFault)
	case FunctionFailedForGood:
		if items[0].id%2 == 0 {
			return backoff.Permanent(errFault)
		}
		return stage.Permanent(errFault)
	}
	return fmt.Errorf("%s: %w", f.stage, errFault)
}

// panics is try for functions that cannot fail otherwise.
func (f *faults) panics(it item) {
	if err := f.try(context.Background(), it); err != nil {
		panic(err)
	}
}
