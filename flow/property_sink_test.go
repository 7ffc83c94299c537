package flow_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/operators"
)

// testSink is a sink that fails in every way, and tells the ledger what it has.
type testSink struct {
	spec   *randpipe.Sink
	ledger *ledger

	mu      sync.Mutex
	writing int
	keys    map[string]bool // in a Write now
}

func (s *testSink) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{
		Name: s.spec.Name, Concurrency: s.spec.Concurrency, MaxBatch: s.spec.MaxBatch,
		OrderedKeys: s.spec.OrderedKeys, Immediate: s.spec.Immediate,
	}
}

func (s *testSink) Open(context.Context) (stage.Writer[randpipe.Item], error) { return s, nil }

func (s *testSink) Close(context.Context) error { return nil }

// Write writes what does not fail. One that names no values writes up to the first that fails.
func (s *testSink) Write(_ context.Context, b stage.Batch[randpipe.Item]) error {
	s.begin(b)
	defer s.end(b)
	sleep(s.spec.Faults.Latency(b.Values[0]))
	var failed stage.BatchError
	broken := make(map[string]bool)
	for i, it := range b.Values {
		key := s.ledger.keyOf(s.spec.Name, it)
		kind := randpipe.NoFault
		if !s.spec.OrderedKeys || !broken[key] {
			kind = s.spec.Faults.Next(it.ID)
		}
		switch {
		case kind != randpipe.NoFault && s.spec.Vague:
			return s.fail(b.Values, kind)
		case kind != randpipe.NoFault:
			broken[key] = key != ""
			s.ledger.failed(s.spec.Name, kind == randpipe.Permanent, it)
			failed.Fail(i, named(kind))
		case broken[key]:
			failed.Fail(i, errors.New("an earlier value of the key failed"))
		default:
			s.ledger.arrives(s.spec.Name, it)
		}
	}
	return failed.OrNil()
}

func named(kind randpipe.Fault) error {
	if kind == randpipe.Permanent {
		return stage.Permanent(randpipe.ErrFault)
	}
	return randpipe.ErrFault
}

// fail blames the whole batch.
func (s *testSink) fail(items []randpipe.Item, kind randpipe.Fault) error {
	s.ledger.failed(s.spec.Name, kind == randpipe.Permanent, items...)
	if kind == randpipe.Panic {
		panic("injected panic")
	}
	return named(kind)
}

// begin checks what the engine promises of a write.
func (s *testSink) begin(b stage.Batch[randpipe.Item]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing++; s.writing > max(s.spec.Concurrency, 1) {
		s.ledger.report("sink %s: %d writes at once", s.spec.Name, s.writing)
	}
	alone := !s.spec.OrderedKeys || s.spec.Concurrency > 1
	for i, it := range b.Values {
		key := s.ledger.keyOf(s.spec.Name, it)
		if got := b.At(i); got.Key != key && got.ID != "" {
			s.ledger.report("sink %s: %v has key %q", s.spec.Name, it, got.Key)
		}
		if key == "" || !alone {
			continue
		}
		if s.keys[key] {
			s.ledger.report("sink %s: two values of key %s are being written at once (rule 8)", s.spec.Name, key)
		}
		s.keys[key] = true
	}
}

func (s *testSink) end(b stage.Batch[randpipe.Item]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
	for _, it := range b.Values {
		delete(s.keys, it.Key)
	}
}

// grave is a sink of dead letters, which may fail too.
type grave struct {
	faults *randpipe.Faults
	ledger *ledger
}

func (g *grave) Open(context.Context) (stage.Writer[flow.Failure], error) { return g, nil }

func (g *grave) Close(context.Context) error { return nil }

func (g *grave) Write(_ context.Context, b stage.Batch[flow.Failure]) error {
	var failed stage.BatchError
	for i, f := range b.Values {
		items := g.members(f)
		if kind := g.faults.Next(items[0].ID); kind != randpipe.NoFault {
			failed.Fail(i, randpipe.ErrFault)
			continue
		}
		for _, it := range items {
			g.ledger.buried(it.At(f.Stage))
		}
	}
	return failed.OrNil()
}

func (g *grave) members(f flow.Failure) []randpipe.Item {
	if f.Err == nil || f.Attempt < 1 {
		g.ledger.report("dead letter %v has no error or no attempt", f)
	}
	switch v := f.Value.(type) {
	case randpipe.Item:
		return []randpipe.Item{v}
	case []randpipe.Item:
		return v
	case operators.Either[randpipe.Item, randpipe.Item]: // of a join with a table
		if v.IsRight {
			return []randpipe.Item{v.Right}
		}
		return []randpipe.Item{v.Left}
	}
	return []randpipe.Item{f.Source.(randpipe.Item)} // it could not be decoded
}

// sleep waits for d of virtual time, whatever becomes of ctx: functions may ignore it.
func sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
