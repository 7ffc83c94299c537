package stagetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func writesInOrder[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	require.NoError(tb, c.write(tb, w, c.Values[0]))
	c.requireWritten(tb, true, c.Values[:1], "when Write has returned, its value is safe")
	require.NoError(tb, c.write(tb, w, c.Values[1:]...))
	c.requireWritten(tb, true, c.Values, "after two writes")
}

func keepsNothing[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	lent := append([]T(nil), c.Values...)
	require.NoError(tb, c.write(tb, w, lent...))
	for i := range lent {
		lent[i] = c.Values[0]
	}
	c.close(tb, w)
	c.requireWritten(tb, true, c.Values, "after the batch was used again")
}

// tellsTheTruth gives a context that is over. Whatever the sink makes of it, what it calls written is
// there, and what it names as failed is not.
func tellsTheTruth[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	over, cancel := context.WithCancel(tb.Context())
	cancel()
	err := w.Write(over, stage.Batch[T]{Values: c.Values})
	var failed *stage.BatchError
	switch {
	case err == nil:
		c.requireWritten(tb, true, c.Values, "Write returned nil")
	case errors.As(err, &failed):
		var written []T
		for i, v := range c.Values {
			if failed.Failed[i] == nil {
				written = append(written, v)
			}
		}
		c.requireWritten(tb, true, written, "Write named what it did not write")
	}
	// Another error says nothing of any value.
}

// namesThePoison writes a value that cannot be written between others. A sink that cannot tell which
// it was must at least write the others by themselves, as the engine will ask it to.
func namesThePoison[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	if c.Poison == nil {
		tb.Skip("the setup has no value that cannot be written")
	}
	batch := []T{c.Values[0], c.Poison(), c.Values[1]}
	err := c.write(tb, w, batch...)
	require.Error(tb, err, "a value that cannot be written is an error")
	var failed *stage.BatchError
	if errors.As(err, &failed) {
		require.Len(tb, failed.Failed, 1, "one value cannot be written")
		require.Error(tb, failed.Failed[1], "it is the value at index 1")
		c.requireWritten(tb, true, c.Values[:2], "the others are written")
		return
	}
	for i, v := range batch {
		err := c.write(tb, w, v)
		require.Equal(tb, i == 1, err != nil, "value %d by itself: %v", i, err)
	}
}

// stopsAKey is rule 8 for writers that take several values of a key at once.
func stopsAKey[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	if !c.traits.OrderedKeys || c.Poison == nil {
		tb.Skip("the sink does not order by key, or the setup has no value that cannot be written")
	}
	keys := []string{"k", "k", "other", "k", ""}
	err := w.Write(c.cfg.context(tb), stage.Batch[T]{
		Values: []T{c.Values[0], c.Poison(), c.Values[1], c.Values[2], c.Values[3]},
		Info:   func(i int) stage.Info { return stage.Info{Key: keys[i]} },
	})
	var failed *stage.BatchError
	require.ErrorAs(tb, err, &failed, "a writer with ordered keys names its failures")
	require.Len(tb, failed.Failed, 2)
	require.Error(tb, failed.Failed[1], "the value that cannot be written")
	require.Error(tb, failed.Failed[3], "the value of its key behind it")
	c.requireWritten(tb, false, []T{c.Values[0], c.Values[1], c.Values[3]}, "behind a failure of a key")
}

func takesConcurrentWrites[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	w := c.open(tb)
	if c.traits.Concurrency < 2 {
		tb.Skip("the sink takes one write at a time")
	}
	errs := make([]error, len(c.Values))
	var wg sync.WaitGroup
	slots := make(chan struct{}, c.traits.Concurrency)
	for i, v := range c.Values {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = c.write(tb, w, v)
		})
	}
	wg.Wait()
	require.NoError(tb, errors.Join(errs...))
	c.requireWritten(tb, false, c.Values, "writes at once")
}

func opensAgain[T any](tb testing.TB, c *sinkCheck[T]) {
	tb.Helper()
	for _, part := range [][]T{c.Values[:2], nil, c.Values[2:]} {
		w := c.open(tb)
		if part != nil {
			require.NoError(tb, c.write(tb, w, part...))
		}
		c.close(tb, w)
	}
	c.requireWritten(tb, true, c.Values, "three runs")
}
