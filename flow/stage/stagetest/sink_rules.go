package stagetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func writesInOrder[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	require.NoError(t, c.write(t, w, c.Values[0]))
	c.requireWritten(t, true, c.Values[:1], "when Write has returned, its value is safe")
	require.NoError(t, c.write(t, w, c.Values[1:]...))
	c.requireWritten(t, true, c.Values, "after two writes")
}

func keepsNothing[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	lent := append([]T(nil), c.Values...)
	require.NoError(t, c.write(t, w, lent...))
	for i := range lent {
		lent[i] = c.Values[0]
	}
	c.close(t, w)
	c.requireWritten(t, true, c.Values, "after the batch was used again")
}

// tellsTheTruth gives a context that is over. Whatever the sink makes of it, what it calls written is
// there, and what it names as failed is not.
func tellsTheTruth[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	err := w.Write(over, stage.Batch[T]{Values: c.Values})
	var failed *stage.BatchError
	switch {
	case err == nil:
		c.requireWritten(t, true, c.Values, "Write returned nil")
	case errors.As(err, &failed):
		var written []T
		for i, v := range c.Values {
			if failed.Failed[i] == nil {
				written = append(written, v)
			}
		}
		c.requireWritten(t, true, written, "Write named what it did not write")
	}
	// Another error says nothing of any value.
}

// namesThePoison writes a value that cannot be written between others. A sink that cannot tell which
// it was must at least write the others by themselves, as the engine will ask it to.
func namesThePoison[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	if c.Poison == nil {
		t.Skip("the setup has no value that cannot be written")
	}
	batch := []T{c.Values[0], c.Poison(), c.Values[1]}
	err := c.write(t, w, batch...)
	require.Error(t, err, "a value that cannot be written is an error")
	var failed *stage.BatchError
	if errors.As(err, &failed) {
		require.Len(t, failed.Failed, 1, "one value cannot be written")
		require.Error(t, failed.Failed[1], "it is the value at index 1")
		c.requireWritten(t, true, c.Values[:2], "the others are written")
		return
	}
	for i, v := range batch {
		err := c.write(t, w, v)
		require.Equal(t, i == 1, err != nil, "value %d by itself: %v", i, err)
	}
}

// stopsAKey is rule 8 for writers that take several values of a key at once.
func stopsAKey[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	if !c.traits.OrderedKeys || c.Poison == nil {
		t.Skip("the sink does not order by key, or the setup has no value that cannot be written")
	}
	keys := []string{"k", "k", "other", "k", ""}
	err := w.Write(c.cfg.context(t), stage.Batch[T]{
		Values: []T{c.Values[0], c.Poison(), c.Values[1], c.Values[2], c.Values[3]},
		Info:   func(i int) stage.Info { return stage.Info{Key: keys[i]} },
	})
	var failed *stage.BatchError
	require.ErrorAs(t, err, &failed, "a writer with ordered keys names its failures")
	require.Len(t, failed.Failed, 2)
	require.Error(t, failed.Failed[1], "the value that cannot be written")
	require.Error(t, failed.Failed[3], "the value of its key behind it")
	c.requireWritten(t, false, []T{c.Values[0], c.Values[1], c.Values[3]}, "behind a failure of a key")
}

func takesConcurrentWrites[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	if c.traits.Concurrency < 2 {
		t.Skip("the sink takes one write at a time")
	}
	errs := make([]error, len(c.Values))
	var wg sync.WaitGroup
	slots := make(chan struct{}, c.traits.Concurrency)
	for i, v := range c.Values {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = c.write(t, w, v)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	c.requireWritten(t, false, c.Values, "writes at once")
}

func opensAgain[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	for _, part := range [][]T{c.Values[:2], nil, c.Values[2:]} {
		w := c.open(t)
		if part != nil {
			require.NoError(t, c.write(t, w, part...))
		}
		c.close(t, w)
	}
	c.requireWritten(t, true, c.Values, "three runs")
}

func closesTwice[T any](t testing.TB, c *sinkCheck[T]) {
	t.Helper()
	w := c.open(t)
	require.NoError(t, c.write(t, w, c.Values...))
	c.close(t, w)
	c.close(t, w)
	c.requireWritten(t, true, c.Values, "after Close")
}
