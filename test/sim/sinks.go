package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// sinkSpec is a sink of a random pipeline: a topic, or something outside that outlives processes.
type sinkSpec struct {
	w     *world
	name  string
	topic string      // "" for one that is no topic
	own   *policySpec // of OnWriteError; nil for the policy above
	count int         // of Batched; 0 for none
	age   time.Duration

	concurrency, maxBatch  int
	orderedKeys, immediate bool
	vague                  bool // errors name no values
	faults                 *faults
}

// encode gives a value as it is sent.
func (s *sinkSpec) encode(it item) (*client.Message, error) { return it.message(s.topic), nil }

// opens lets some openings fail.
func (s *sinkSpec) opens(p *process) error {
	d := s.w.draw(p.name + " opens " + s.name)
	s.w.mu.Lock()
	fails := d.IntN(100) < s.w.rates[SinkNotOpened]
	s.w.mu.Unlock()
	if !fails || !s.w.stormy() {
		return nil
	}
	s.w.happened(SinkNotOpened, "%s %s", p.name, s.name)
	return errFault
}

// topicSink is a sink of the client's, which may not open.
type topicSink struct {
	*sinks.RocketMQSink[item]
	spec    *sinkSpec
	process *process
}

// Open opens the sink, or fails.
func (s *topicSink) Open(ctx context.Context) (stage.Writer[item], error) {
	if err := s.spec.opens(s.process); err != nil {
		return nil, err
	}
	w, err := s.RocketMQSink.Open(ctx)
	return topicWriter{w, s.spec}, err
}

// topicWriter tells the ledger of writes that fail.
type topicWriter struct {
	stage.Writer[item]
	spec *sinkSpec
}

// Write writes, and notes what failed.
func (t topicWriter) Write(ctx context.Context, b stage.Batch[item]) error {
	err := t.Writer.Write(ctx, b)
	var some *stage.BatchError
	for i, it := range b.Values {
		failure := err
		if errors.As(err, &some) {
			failure = some.Failed[i]
		}
		if failure != nil && !errors.Is(failure, stage.ErrHandedBack) {
			t.spec.w.ledger.failed(place{t.spec.name, it.delivery, it.id}, stage.IsPermanent(failure))
		}
	}
	return err
}

// memorySink is a sink as one process has it. What it writes counts until the process has crashed.
type memorySink struct {
	spec    *sinkSpec
	process *process
}

// SinkTraits tells what the seed makes of the sink.
func (s *memorySink) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{
		Name: s.spec.name, Concurrency: s.spec.concurrency, MaxBatch: s.spec.maxBatch,
		OrderedKeys: s.spec.orderedKeys, Immediate: s.spec.immediate,
	}
}

// Open gives a writer, or fails.
func (s *memorySink) Open(context.Context) (stage.Writer[item], error) {
	return s, s.spec.opens(s.process)
}

// Close has nothing to close.
func (s *memorySink) Close(context.Context) error { return nil }

// Write writes what does not fail.
func (s *memorySink) Write(ctx context.Context, b stage.Batch[item]) error {
	f := s.spec.faults
	if f.slow > 0 {
		s.spec.w.happened(WriteSlow, "%s", s.spec.name)
		first := b.Values[0]
		s.spec.w.sleep(context.Background(), time.Duration(mix(f.salt, first.id, uint64(first.delivery))%uint64(f.slow)))
	}
	if s.process.isDead() {
		return errDead
	}
	if s.spec.vague {
		return s.writeVaguely(b.Values)
	}
	var failed stage.BatchError
	broken := make(map[string]bool)
	for i, it := range b.Values {
		kind := none
		if !s.spec.orderedKeys || !broken[it.key] {
			kind = f.next(it.id)
		}
		switch {
		case kind != none:
			failed.Fail(i, s.failure(it, kind, WriteFailedInPart))
			broken[it.key] = it.key != ""
		case s.spec.orderedKeys && broken[it.key]:
			failed.Fail(i, fmt.Errorf("%s: behind a failure: %w", s.spec.name, stage.ErrHandedBack))
		default:
			s.spec.w.ledger.arrives(s.spec.name, it)
		}
	}
	return failed.OrNil()
}

// writeVaguely writes up to the first value that fails, and does not say how far it came.
func (s *memorySink) writeVaguely(values []item) error {
	for i, it := range values {
		kind := s.spec.faults.next(it.id)
		if kind == none {
			s.spec.w.ledger.arrives(s.spec.name, it)
			continue
		}
		for _, written := range values[:i] {
			s.spec.w.ledger.mayRepeat(s.spec.name, written)
		}
		how := WriteFailed
		if i > 0 {
			how = WriteUnclear
		}
		// The failure is that of all, until the engine has found the one to blame.
		for _, other := range values {
			s.spec.w.ledger.failed(place{s.spec.name, other.delivery, other.id}, kind == FunctionFailedForGood)
		}
		err := s.failure(it, kind, how)
		if kind == FunctionPanicked {
			panic(err)
		}
		return err
	}
	return nil
}

// failure tells the ledger of a failed write, and gives its error.
func (s *memorySink) failure(it item, kind, how Kind) error {
	w := s.spec.w
	w.ledger.failed(place{s.spec.name, it.delivery, it.id}, kind == FunctionFailedForGood)
	switch kind {
	case FunctionFailedForGood:
		w.happened(WriteFailedForGood, "%s %x", s.spec.name, it.id)
		return stage.Permanent(errFault)
	case FunctionPanicked:
		how = WritePanicked
	}
	w.happened(how, "%s %x", s.spec.name, it.id)
	return fmt.Errorf("%s: %w", s.spec.name, errFault)
}

// grave is where a policy puts dead letters.
type grave struct {
	w    *world
	name string
}

// buriedBy is a grave as one process has it.
type buriedBy struct {
	*grave
	process *process
}

// Open gives a writer.
func (g buriedBy) Open(context.Context) (stage.Writer[flow.Failure], error) { return g, nil }

// Close has nothing to close.
func (g buriedBy) Close(context.Context) error { return nil }

// Write writes dead letters, or fails.
func (g buriedBy) Write(_ context.Context, b stage.Batch[flow.Failure]) error {
	if g.process.isDead() {
		return errDead
	}
	var failed stage.BatchError
	for i, f := range b.Values {
		d := g.w.draw(g.name)
		g.w.mu.Lock()
		fails := d.IntN(100) < g.w.rates[BurialFailed]
		g.w.mu.Unlock()
		if fails && g.w.stormy() {
			g.w.happened(BurialFailed, "%s", g.name)
			failed.Fail(i, errFault)
			continue
		}
		g.bury(f)
	}
	return failed.OrNil()
}

func (g buriedBy) bury(f flow.Failure) {
	switch v := f.Value.(type) {
	case item:
		g.w.ledger.buried(place{f.Stage, v.delivery, v.id})
	case []item:
		for _, it := range v {
			g.w.ledger.buried(place{f.Stage, it.delivery, it.id})
		}
	case nil: // it could not be decoded
		m, _ := f.Source.(*client.Message)
		if m == nil {
			g.w.ledger.violated(Unknown, "a dead letter of no message")
			return
		}
		n, _ := strconv.Atoi(m.Properties[propertyDelivery])
		it := itemOf(m.Properties, "")
		at := place{f.Stage, n, it.id}
		g.w.ledger.failed(at, true)
		g.w.ledger.buried(at)
	default:
		g.w.ledger.violated(Unknown, "a dead letter of %v", v)
	}
	if f.Err == nil || f.Attempt < 1 || !errors.Is(f.Err, errFault) && f.Value != nil && !isOutput(f.Stage) {
		g.w.ledger.violated(Unknown, "a dead letter of %s without a reason: %v", f.Stage, f.Err)
	}
}
