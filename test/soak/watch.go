package soak

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
)

const (
	samples = 24      // of a run
	slack   = 8 << 20 // bytes: what a heap may be larger without having grown
)

// A watch looks at memory and goroutines.
type watch struct {
	heap       []uint64
	goroutines int
}

func newWatch() *watch { return &watch{} }

func (w *watch) sample() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.heap = append(w.heap, m.HeapAlloc)
	w.goroutines = max(w.goroutines, runtime.NumGoroutine())
}

// problems compares the last third of the samples with the one before it; the first is the start.
func (w *watch) problems() error {
	third := len(w.heap) / 3
	if third == 0 {
		return errors.New("soak: too short to say anything about memory")
	}
	before, after := middle(w.heap[third:2*third]), middle(w.heap[len(w.heap)-third:])
	if after > before+before/4+slack {
		return fmt.Errorf("soak: memory grows: %d bytes, then %d", before, after)
	}
	return nil
}

func middle(values []uint64) uint64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
