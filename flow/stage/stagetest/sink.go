package stagetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// SinkSetup is a sink to be tested.
type SinkSetup[T any] struct {
	Sink stage.Sink[T]
	// Values can be written: at least 4, and none equals another.
	Values []T
	// Written gives what has been written so far, in the order in which the system holds it. If it
	// is nil, what is written is not looked at.
	Written func() []T
	// Poison gives a value that cannot be written; nil if there is none.
	Poison func() T
	// Equal compares values; by default reflect.DeepEqual does.
	Equal func(a, b T) bool
}

// Sink checks that a sink keeps the contract. Its rules are named:
//
//   - writes every value in order
//   - keeps nothing of a batch
//   - tells the truth about a write whose context is over
//   - names the value that cannot be written
//   - stops a key at its first failure
//   - takes as many writes at once as it declares
//   - can be opened again
func Sink[T any](t *testing.T, setup func(t *testing.T) SinkSetup[T], opts ...Option) {
	t.Helper()
	cfg := newConfig(opts)
	run(t, cfg, sinkRules[T](), func(t *testing.T) *sinkCheck[T] {
		t.Helper()
		return newSinkCheck(t, &cfg, setup(t))
	})
}

func sinkRules[T any]() []rule[*sinkCheck[T]] {
	return []rule[*sinkCheck[T]]{
		{"writes every value in order", writesInOrder[T]},
		{"keeps nothing of a batch", keepsNothing[T]},
		{"tells the truth about a write whose context is over", tellsTheTruth[T]},
		{"names the value that cannot be written", namesThePoison[T]},
		{"stops a key at its first failure", stopsAKey[T]},
		{"takes as many writes at once as it declares", takesConcurrentWrites[T]},
		{"can be opened again", opensAgain[T]},
	}
}

// sinkCheck is a sink under test.
type sinkCheck[T any] struct {
	SinkSetup[T]
	cfg    *config
	traits stage.SinkTraits
}

func newSinkCheck[T any](tb testing.TB, cfg *config, s SinkSetup[T]) *sinkCheck[T] {
	tb.Helper()
	require.NotNil(tb, s.Sink, "stagetest: the setup has no sink")
	require.GreaterOrEqual(tb, len(s.Values), 4, "stagetest: the setup has too few values")
	s.Equal = same(s.Equal)
	c := &sinkCheck[T]{SinkSetup: s, cfg: cfg}
	if d, ok := s.Sink.(stage.SinkDescriber); ok {
		c.traits = d.SinkTraits()
	}
	return c
}

// sinkRun is one run of the sink.
type sinkRun[T any] struct {
	stage.Writer[T]
	closed bool
}

// open begins a run, which the test's end closes.
func (c *sinkCheck[T]) open(tb testing.TB) *sinkRun[T] {
	tb.Helper()
	w, err := c.Sink.Open(c.cfg.context(tb))
	require.NoError(tb, err, "Open")
	if d, ok := w.(stage.SinkDescriber); ok {
		c.traits = d.SinkTraits()
	}
	r := &sinkRun[T]{Writer: w}
	tb.Cleanup(func() {
		if !r.closed {
			c.close(tb, r)
		}
	})
	return r
}

func (c *sinkCheck[T]) close(tb testing.TB, r *sinkRun[T]) {
	tb.Helper()
	r.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.patience())
	defer cancel()
	require.NoError(tb, r.Close(ctx), "Close")
}

func (c *sinkCheck[T]) write(tb testing.TB, w *sinkRun[T], values ...T) error {
	tb.Helper()
	return w.Write(c.cfg.context(tb), stage.Batch[T]{Values: values})
}

// requireWritten fails unless exactly these values have been written.
func (c *sinkCheck[T]) requireWritten(tb testing.TB, ordered bool, want []T, why string) {
	tb.Helper()
	if c.Written != nil {
		requireValues(tb, want, c.Written(), c.Equal, ordered, why)
	}
}
