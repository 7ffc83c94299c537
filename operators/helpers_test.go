package operators_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("test failure")

// bench runs one operator alone: it is the engine, the next stage, and the owner of the duties.
type bench[I, O any] struct {
	t    *testing.T
	proc stage.Processor[I]
	desc stage.Description
	slab *stage.Slab // of the last values

	mu        sync.Mutex // one at a time emits
	goes      sync.WaitGroup
	ctx       context.Context
	end       context.CancelFunc
	emitted   []O
	keep      bool // records that are emitted are not settled
	kept      []stage.Record[O]
	completed []error // of asynchronous operators
	ended     bool    // the operator ended the run
	onEmit    func(r stage.Record[O])

	infos     func(i int) stage.Info // of the values; nil if nothing is known
	upstream  stage.Upstream
	waiting   func() bool // what Barrier gives
	endOfIn   bool        // Drain is for the end of the input
	delivered uint64      // values so far
}

func start[I, O any](t *testing.T, op stage.Operator[I, O]) *bench[I, O] {
	t.Helper()
	require.NoError(t, op.Describe().Problem)
	b := &bench[I, O]{t: t, desc: op.Describe()}
	b.ctx, b.end = context.WithCancel(context.Background())
	proc, err := op.Start(b, b)
	require.NoError(t, err)
	b.proc = proc
	t.Cleanup(func() { b.end(); b.goes.Wait() })
	return b
}

// give has the operator process values, and returns what each call returned.
func (b *bench[I, O]) give(values ...I) []error {
	if !b.desc.Async {
		b.mu.Lock()
		defer b.mu.Unlock()
	}
	b.slab = &stage.Slab{}
	b.slab.Open(len(values), b, stage.SlabOptions{First: b.delivered + 1})
	b.delivered += uint64(len(values))
	errs := make([]error, len(values))
	for i, v := range values {
		errs[i] = b.proc.Process(b.ctx, stage.Record[I]{Value: v, Duty: b.slab.Duty(i)})
	}
	b.slab.Release()
	return errs
}

// settled tells which of the values given are settled.
func (b *bench[I, O]) settled() []bool {
	all := make([]bool, b.slab.Len())
	for i := range all {
		_, all[i] = b.slab.Outcome(i)
	}
	return all
}

// out gives what was emitted, also while timers run.
func (b *bench[I, O]) out() []O {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]O(nil), b.emitted...)
}

func (b *bench[I, O]) Emit(_ context.Context, r stage.Record[O]) {
	b.emitted = append(b.emitted, r.Value)
	if b.onEmit != nil {
		b.onEmit(r)
	}
	if b.keep {
		b.kept = append(b.kept, r)
	} else {
		r.Done()
	}
}

func (b *bench[I, O]) EmitAll(ctx context.Context, rs []stage.Record[O]) {
	for _, r := range rs {
		b.Emit(ctx, r)
	}
}

func (b *bench[I, O]) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }
func (b *bench[I, O]) Now() time.Time       { return time.Now() }
func (b *bench[I, O]) Keyed() bool          { return false }
func (b *bench[I, O]) End()                 { b.ended = true }
func (b *bench[I, O]) Count(string, int64)  {}

func (b *bench[I, O]) Upstream() stage.Upstream { return b.upstream }
func (b *bench[I, O]) Barrier() func() bool     { return b.waiting }
func (b *bench[I, O]) Ended() bool              { return b.endOfIn }

func (b *bench[I, O]) After(d time.Duration, f func(context.Context)) func() bool {
	return time.AfterFunc(d, func() { b.Do(f) }).Stop
}

func (b *bench[I, O]) Do(f func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.ctx)
}

func (b *bench[I, O]) Go(f func(context.Context)) { b.goes.Go(func() { f(b.ctx) }) }

func (b *bench[I, O]) Complete(_ context.Context, r stage.Record[I], err error) {
	b.completed = append(b.completed, err)
	if err != nil {
		r.Fail(err)
	}
}

func (b *bench[I, O]) Settled(*stage.Slab, bool) {}

func (b *bench[I, O]) Info(i int) stage.Info {
	if b.infos == nil {
		return stage.Info{}
	}
	return b.infos(i)
}

func (b *bench[I, O]) Origin(int) any { return nil }

var (
	_ stage.Runtime        = (*bench[int, string])(nil)
	_ stage.Completer[int] = (*bench[int, string])(nil)
	_ stage.SlabOwner      = (*bench[int, string])(nil)
)
