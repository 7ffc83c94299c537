package flow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// faults lets a function fail for some values: by the value's id the first few times, or always.
type faults struct {
	stage   string
	salt    uint64
	percent uint64
	mild    bool
	slow    time.Duration // the most that a call takes
	ledger  *ledger

	mu    sync.Mutex
	calls map[uint64]int
}

// faultKind is how a function fails.
type faultKind int

const (
	noFault faultKind = iota
	plainFault
	permanentFault
	panicFault
)

// next counts a call for a value, and tells how it is to fail.
func (f *faults) next(id uint64) faultKind {
	h := mix(f.salt, id)
	if h%100 >= f.percent {
		return noFault
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[id]++
	if times := h >> 8 % 5; f.calls[id] > int(times)+1 && (times < 4 || f.mild) {
		return noFault
	}
	switch h >> 16 % 10 {
	case 0:
		return permanentFault
	case 1, 2:
		return panicFault
	}
	return plainFault
}

// try fails, by an error or a panic, if one of the values is due to. The failure is that of all.
func (f *faults) try(_ context.Context, items ...item) error {
	if f.slow > 0 {
		sleep(time.Duration(mix(f.salt, items[0].id, uint64(items[0].delivery)) % uint64(f.slow)))
	}
	kind := noFault
	for _, it := range items {
		kind = max(kind, f.next(it.id))
	}
	if kind == noFault {
		return nil
	}
	for _, it := range items {
		f.ledger.failed(place{f.stage, it.handout(), it.id}, kind == permanentFault)
	}
	switch kind {
	case panicFault:
		panic(errFault)
	case permanentFault:
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

// testSink is a sink that fails in every way, and tells the ledger what it has.
type testSink struct {
	name   string
	traits stage.SinkTraits
	faults *faults
	vague  bool // errors name no values
	ledger *ledger

	mu      sync.Mutex
	writing int
	keys    map[string]bool // in a Write now
}

func newTestSink(d *dice) *testSink {
	s := &testSink{name: d.name("sink"), vague: d.chance(50), ledger: d.ledger, keys: make(map[string]bool)}
	s.traits = stage.SinkTraits{Name: s.name, Concurrency: d.IntN(4), MaxBatch: d.IntN(10), OrderedKeys: d.chance(40), Immediate: d.chance(30)}
	s.faults = d.faults(s.name, 25)
	if !s.traits.Immediate && d.chance(70) {
		s.faults.slow = time.Millisecond + d.span(200*time.Millisecond)
	}
	return s
}

func (s *testSink) SinkTraits() stage.SinkTraits { return s.traits }

func (s *testSink) Open(context.Context) (stage.Writer[item], error) { return s, nil }

func (s *testSink) Close(context.Context) error { return nil }

// Write writes what does not fail. One that names no values writes up to the first that fails.
func (s *testSink) Write(_ context.Context, b stage.Batch[item]) error {
	s.begin(b)
	defer s.end(b)
	if s.faults.slow > 0 {
		sleep(time.Duration(mix(s.faults.salt, b.Values[0].id, uint64(b.Values[0].delivery)) % uint64(s.faults.slow)))
	}
	var failed stage.BatchError
	broken := make(map[string]bool)
	for i, it := range b.Values {
		kind := noFault
		if !s.traits.OrderedKeys || !broken[it.key] {
			kind = s.faults.next(it.id)
		}
		switch {
		case kind != noFault && s.vague:
			return s.fail(b.Values, kind)
		case kind != noFault:
			broken[it.key] = it.key != ""
			s.ledger.failed(place{s.name, it.handout(), it.id}, kind == permanentFault)
			failed.Fail(i, s.named(kind))
		case broken[it.key]:
			failed.Fail(i, errors.New("an earlier value of the key failed"))
		default:
			s.ledger.arrives(s.name, it)
		}
	}
	return failed.OrNil()
}

func (s *testSink) named(kind faultKind) error {
	if kind == permanentFault {
		return stage.Permanent(errFault)
	}
	return errFault
}

// fail blames the whole batch.
func (s *testSink) fail(items []item, kind faultKind) error {
	for _, it := range items {
		s.ledger.failed(place{s.name, it.handout(), it.id}, kind == permanentFault)
	}
	if kind == panicFault {
		panic("injected panic")
	}
	return s.named(kind)
}

// begin checks what the engine promises of a write.
func (s *testSink) begin(b stage.Batch[item]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing++; s.writing > max(s.traits.Concurrency, 1) {
		s.ledger.report("sink %s: %d writes at once", s.name, s.writing)
	}
	alone := !s.traits.OrderedKeys || s.traits.Concurrency > 1
	for i, it := range b.Values {
		if got := b.At(i); got.Key != it.key && got.ID != "" {
			s.ledger.report("sink %s: %v has key %q", s.name, it, got.Key)
		}
		if it.key == "" || !alone {
			continue
		}
		if s.keys[it.key] {
			s.ledger.report("sink %s: two values of key %s are being written at once (rule 8)", s.name, it.key)
		}
		s.keys[it.key] = true
	}
}

func (s *testSink) end(b stage.Batch[item]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
	for _, it := range b.Values {
		delete(s.keys, it.key)
	}
}

// grave is a sink of dead letters, which may fail too.
type grave struct {
	faults *faults
	ledger *ledger
}

func newGrave(d *dice) *grave { return &grave{faults: d.faults(d.name("grave"), 20), ledger: d.ledger} }

func (g *grave) Open(context.Context) (stage.Writer[flow.Failure], error) { return g, nil }

func (g *grave) Close(context.Context) error { return nil }

func (g *grave) Write(_ context.Context, b stage.Batch[flow.Failure]) error {
	var failed stage.BatchError
	for i, f := range b.Values {
		items := g.members(f)
		if kind := g.faults.next(items[0].id); kind != noFault {
			failed.Fail(i, errFault)
			continue
		}
		for _, it := range items {
			g.ledger.buried(place{f.Stage, it.handout(), it.id})
		}
	}
	return failed.OrNil()
}

func (g *grave) members(f flow.Failure) []item {
	if f.Err == nil || f.Attempt < 1 {
		g.ledger.report("dead letter %v has no error or no attempt", f)
	}
	switch v := f.Value.(type) {
	case item:
		return []item{v}
	case []item:
		return v
	}
	return []item{f.Source.(item)} // it could not be decoded
}
