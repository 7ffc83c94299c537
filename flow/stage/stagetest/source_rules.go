package stagetest

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func givesEachValueOnce[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	requireValues(tb, c.Values, values(items), c.Equal, !c.cfg.unordered, "one run")
	for _, it := range items {
		it.settle(nil)
	}
	if c.cfg.endless {
		return
	}
	for range 3 {
		_, more := s.read()
		require.False(tb, more, "io.EOF is repeated when all is done")
	}
}

func knowsTheSame[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	ids := make(map[string]bool)
	for _, it := range items {
		require.Equal(tb, it.info, it.batch.At(it.index), "Info gives the same while the record is held")
		if id := it.info.ID; id != "" {
			require.False(tb, ids[id], "two records have the id %q", id)
			ids[id] = true
		}
	}
	for _, it := range items {
		it.settle(nil)
		require.Equal(tb, it.info, it.batch.At(it.index), "Info gives the same when the record is settled")
	}
}

func endsReadWithContext[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	over, cancel := context.WithCancel(tb.Context())
	cancel()
	var items []item[T]
	for range 2 {
		// What was fetched may be returned, with an error or without; none may be lost.
		fetched, err := s.take(over)
		items = append(items, fetched...)
		if s.ended = errors.Is(err, io.EOF); s.ended {
			break
		}
		if !c.cfg.endless || len(items) < len(c.Values) {
			more, _ := s.read()
			items = append(items, more...)
		}
	}
	if c.cfg.endless {
		items = append(items, s.readAll(len(c.Values)-len(items))...)
	} else {
		items = append(items, s.readAll(0)...)
	}
	requireValues(tb, c.Values, values(items), c.Equal, !c.cfg.unordered, "reads of which some were cut short")
	for _, it := range items {
		it.settle(nil)
	}
	_, err := s.reader.Read(over)
	require.Error(tb, err, "Read has nothing to give, and its context is over")
}

func takesOutcomesInAnyOrder[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	for i := range items {
		items[len(items)-1-i].settle(nil)
	}
	if !c.cfg.endless {
		_, more := s.read()
		require.False(tb, more, "all is done")
	}
}

// deliversAgainAfter fails one record and settles the others as done.
func deliversAgainAfter[T any](failure error) func(testing.TB, *sourceCheck[T]) {
	return func(tb testing.TB, c *sourceCheck[T]) {
		tb.Helper()
		deliversAgain(tb, c, failure)
	}
}

func deliversAgain[T any](tb testing.TB, c *sourceCheck[T], failure error) {
	tb.Helper()
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	victim := items[len(items)-1] // no record of a key stands behind it
	for _, it := range items[:len(items)-1] {
		it.settle(nil)
	}
	victim.settle(failure)
	if !c.traits.Redelivers {
		if !c.cfg.endless {
			_, more := s.read()
			require.False(tb, more, "a source that does not redeliver repeats io.EOF")
		}
		return
	}
	again := awaitAgain(tb, s, victim)
	if victim.info.Attempt > 0 {
		require.GreaterOrEqual(tb, again.info.Attempt, victim.info.Attempt, "attempts are counted upwards")
	}
	again.settle(nil)
}

// awaitAgain reads until the record is back. Others may come again as well, but not new ones.
func awaitAgain[T any](tb testing.TB, s *session[T], lost item[T]) item[T] {
	tb.Helper()
	for {
		items, more := s.read()
		require.True(tb, more, "a record that was not done comes again before io.EOF")
		for i, it := range items {
			if !s.Equal(it.value(), lost.value()) {
				it.settle(nil)
				continue
			}
			require.Equal(tb, lost.info.ID, it.info.ID, "a redelivery has the same id")
			for _, rest := range items[i+1:] {
				rest.settle(nil)
			}
			return it
		}
	}
}

// keepsOrderOfKey fails the first record of a key, as rule 8 has it: those behind are handed back.
func keepsOrderOfKey[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	if !c.traits.Keyed || !c.traits.Redelivers {
		tb.Skip("the source is not keyed, or does not redeliver")
	}
	items := s.readAll(len(c.Values))
	key := commonKey(tb, items)
	var of, others []item[T]
	for _, it := range items {
		if it.info.Key == key {
			of = append(of, it)
		} else {
			others = append(others, it)
		}
	}
	for _, it := range others {
		it.settle(nil)
	}
	of[0].settle(errTest)
	for _, it := range of[1:] {
		it.settle(stage.ErrHandedBack)
	}
	var again []item[T]
	for len(again) < len(of) {
		items, more := s.read()
		require.True(tb, more, "records that were not done come again before io.EOF")
		for _, it := range items {
			it.settle(nil)
			if it.info.Key == key {
				again = append(again, it)
			}
		}
	}
	requireValues(tb, values(of), values(again), c.Equal, true, "records of one key, redelivered")
}

// commonKey gives a key that several records have.
func commonKey[T any](tb testing.TB, items []item[T]) string {
	tb.Helper()
	seen := make(map[string]bool)
	for _, it := range items {
		if k := it.info.Key; k != "" && seen[k] {
			return k
		}
		seen[it.info.Key] = true
	}
	require.Fail(tb, "stagetest: no two values of the setup have the same key, as a keyed source's must")
	return ""
}

// givesTheRestLater ends a run in the middle and looks for the rest in the next.
func givesTheRestLater[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	first := c.open(tb)
	items, _ := first.read()
	for i, it := range items {
		if i == 0 {
			it.settle(nil)
		} else {
			it.settle(stage.ErrHandedBack)
		}
	}
	first.close()

	want := c.Values
	switch {
	case c.traits.Redelivers:
		want = missing(c.Values, values(items[:1]), c.Equal)
	case c.cfg.goesOn:
		want = missing(c.Values, values(items), c.Equal)
	}
	second := c.open(tb)
	var later []item[T]
	if !c.cfg.endless || len(want) > 0 {
		later = second.readAll(len(want))
	}
	requireValues(tb, want, values(later), c.Equal, !c.cfg.unordered, "a second run")
	for _, it := range later {
		it.settle(nil)
	}
}

func opensAndCloses[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	for range 2 {
		c.open(tb).close()
	}
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	requireValues(tb, c.Values, values(items), c.Equal, !c.cfg.unordered, "the third run")
	for _, it := range items {
		it.settle(nil)
	}
}

// refusesASecondOutcome: rule 1 is the engine's to keep; a source must only not be led astray. It may
// report an error or ignore the outcome, but a record that is done stays done.
func refusesASecondOutcome[T any](tb testing.TB, c *sourceCheck[T]) {
	tb.Helper()
	s := c.open(tb)
	items := s.readAll(len(c.Values))
	for _, it := range items {
		it.settle(nil)
	}
	_ = items[0].trySettle(nil) // either is allowed
	if !c.cfg.endless {
		_, more := s.read()
		require.False(tb, more, "what is done does not come again")
	}
}
