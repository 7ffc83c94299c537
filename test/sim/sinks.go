package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// door is where one process opens a sink of the pipeline: a topic, or something outside that outlives
// processes.
type door struct {
	w       *world
	spec    *randpipe.Sink
	process *process
}

// opens lets some openings fail.
func (o door) opens() error {
	d := o.w.draw(o.process.name + " opens " + o.spec.Name)
	o.w.mu.Lock()
	fails := d.IntN(100) < o.w.rates[SinkNotOpened]
	o.w.mu.Unlock()
	if !fails || !o.w.stormy() {
		return nil
	}
	o.w.happened(SinkNotOpened, "%s %s", o.process.name, o.spec.Name)
	return randpipe.ErrFault
}

// topicSink is a sink of the client's, which may not open.
type topicSink struct {
	*sinks.RocketMQSink[randpipe.Item]
	door
}

// Open opens the sink, or fails.
func (s *topicSink) Open(ctx context.Context) (stage.Writer[randpipe.Item], error) {
	if err := s.opens(); err != nil {
		return nil, err
	}
	w, err := s.RocketMQSink.Open(ctx)
	return topicWriter{w, s.door}, err
}

// topicWriter tells the ledger of writes that fail.
type topicWriter struct {
	stage.Writer[randpipe.Item]
	door
}

// Write writes, and notes what failed.
func (t topicWriter) Write(ctx context.Context, b stage.Batch[randpipe.Item]) error {
	err := t.Writer.Write(ctx, b)
	var some *stage.BatchError
	for i, it := range b.Values {
		failure := err
		if errors.As(err, &some) {
			failure = some.Failed[i]
		}
		if failure != nil && !errors.Is(failure, stage.ErrHandedBack) {
			t.w.ledger.failed(it.At(t.spec.Name), stage.IsPermanent(failure))
		}
	}
	return err
}

// memorySink is a sink as one process has it. What it writes counts until the process has crashed.
type memorySink struct{ door }

// SinkTraits tells what the seed makes of the sink.
func (s *memorySink) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{
		Name: s.spec.Name, Concurrency: s.spec.Concurrency, MaxBatch: s.spec.MaxBatch,
		OrderedKeys: s.spec.OrderedKeys, Immediate: s.spec.Immediate,
	}
}

// Open gives a writer, or fails.
func (s *memorySink) Open(context.Context) (stage.Writer[randpipe.Item], error) {
	return s, s.opens()
}

// Close has nothing to close.
func (s *memorySink) Close(context.Context) error { return nil }

// Write writes what does not fail.
func (s *memorySink) Write(ctx context.Context, b stage.Batch[randpipe.Item]) error {
	if d := s.spec.Faults.Latency(b.Values[0]); d > 0 {
		s.w.happened(WriteSlow, "%s", s.spec.Name)
		s.w.sleep(context.Background(), d)
	}
	if s.process.isDead() {
		return errDead
	}
	if s.spec.Vague {
		return s.writeVaguely(b.Values)
	}
	var failed stage.BatchError
	broken := make(map[string]bool)
	for i, it := range b.Values {
		kind := randpipe.NoFault
		if !s.spec.OrderedKeys || !broken[it.Key] {
			kind = s.spec.Faults.Next(it.ID)
		}
		switch {
		case kind != randpipe.NoFault:
			failed.Fail(i, s.failure(it, kind, WriteFailedInPart))
			broken[it.Key] = it.Key != ""
		case s.spec.OrderedKeys && broken[it.Key]:
			failed.Fail(i, fmt.Errorf("%s: behind a failure: %w", s.spec.Name, stage.ErrHandedBack))
		default:
			s.w.ledger.arrives(s.spec.Name, it)
		}
	}
	return failed.OrNil()
}

// writeVaguely writes up to the first value that fails, and does not say how far it came.
func (s *memorySink) writeVaguely(values []randpipe.Item) error {
	for i, it := range values {
		kind := s.spec.Faults.Next(it.ID)
		if kind == randpipe.NoFault {
			s.w.ledger.arrives(s.spec.Name, it)
			continue
		}
		for _, written := range values[:i] {
			s.w.ledger.mayRepeat(s.spec.Name, written)
		}
		how := WriteFailed
		if i > 0 {
			how = WriteUnclear
		}
		// The failure is that of all, until the engine has found the one to blame.
		for _, other := range values {
			s.w.ledger.failed(other.At(s.spec.Name), kind == randpipe.Permanent)
		}
		err := s.failure(it, kind, how)
		if kind == randpipe.Panic {
			panic(err)
		}
		return err
	}
	return nil
}

// failure tells the ledger of a failed write, and gives its error.
func (s *memorySink) failure(it randpipe.Item, kind randpipe.Fault, how Kind) error {
	s.w.ledger.failed(it.At(s.spec.Name), kind == randpipe.Permanent)
	switch kind {
	case randpipe.Permanent:
		s.w.happened(WriteFailedForGood, "%s %x", s.spec.Name, it.ID)
		return stage.Permanent(randpipe.ErrFault)
	case randpipe.Panic:
		how = WritePanicked
	}
	s.w.happened(how, "%s %x", s.spec.Name, it.ID)
	return fmt.Errorf("%s: %w", s.spec.Name, randpipe.ErrFault)
}

// grave is where a policy puts dead letters, as one process has it.
type grave struct {
	spec    *randpipe.Grave
	w       *world
	process *process
	tries   int // how often a failure comes again before it is a dead letter
}

// Open gives a writer.
func (g grave) Open(context.Context) (stage.Writer[flow.Failure], error) { return g, nil }

// Close has nothing to close.
func (g grave) Close(context.Context) error { return nil }

// Write writes dead letters, or fails.
func (g grave) Write(_ context.Context, b stage.Batch[flow.Failure]) error {
	if g.process.isDead() {
		return errDead
	}
	var failed stage.BatchError
	for i, f := range b.Values {
		d := g.w.draw(g.spec.Name)
		g.w.mu.Lock()
		fails := d.IntN(100) < g.w.rates[BurialFailed]
		g.w.mu.Unlock()
		if fails && g.w.stormy() {
			g.w.happened(BurialFailed, "%s", g.spec.Name)
			failed.Fail(i, randpipe.ErrFault)
			continue
		}
		g.bury(f)
	}
	return failed.OrNil()
}

func (g grave) bury(f flow.Failure) {
	items := itemsOf(f)
	for _, it := range items {
		g.w.ledger.buried(it.At(f.Stage))
	}
	switch {
	case !g.isFinal(f):
		g.w.ledger.violated(Promise, "a dead letter of %v at %s, which was to come again", items, f.Stage)
	case items != nil:
	case f.Value == nil: // it could not be decoded
		m, _ := f.Source.(*client.Message)
		if m == nil {
			g.w.ledger.violated(Unknown, "a dead letter of no message")
			return
		}
		at := itemOf(m.Properties, "").At(f.Stage)
		g.w.ledger.failed(at, true)
		g.w.ledger.buried(at)
	default:
		g.w.ledger.violated(Unknown, "a dead letter of %v", f.Value)
	}
	if f.Err == nil || f.Attempt < 1 || !errors.Is(f.Err, randpipe.ErrFault) && f.Value != nil && !isOutput(f.Stage) {
		g.w.ledger.violated(Unknown, "a dead letter of %s without a reason: %v", f.Stage, f.Err)
	}
}
