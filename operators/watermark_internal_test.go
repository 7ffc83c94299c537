package operators

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// clockwork is the Runtime of a watermark: it has timers, which go off in wait alone, as those of the
// engine do under its lock; and records that wait for a retry.
type clockwork struct {
	waiting []*bool
	timers  []*timer
}

type timer struct {
	at time.Time
	f  func(context.Context)
}

func (c *clockwork) After(d time.Duration, f func(context.Context)) func() bool {
	t := &timer{time.Now().Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool { return c.remove(t) }
}

func (c *clockwork) remove(t *timer) bool {
	before := len(c.timers)
	c.timers = slices.DeleteFunc(c.timers, func(other *timer) bool { return other == t })
	return len(c.timers) < before
}

// wait lets time pass, and does what is due.
func (c *clockwork) wait(d time.Duration) {
	end := time.Now().Add(d)
	for len(c.timers) > 0 {
		next := slices.MinFunc(c.timers, func(a, b *timer) int { return a.at.Compare(b.at) })
		if next.at.After(end) {
			break
		}
		time.Sleep(time.Until(next.at))
		c.remove(next)
		next.f(context.Background())
	}
	time.Sleep(time.Until(end))
}

// retry lets a record wait; the function lets it come through.
func (c *clockwork) retry() (through func()) {
	gone := new(bool)
	c.waiting = append(c.waiting, gone)
	return func() { *gone = true }
}

func (c *clockwork) Barrier() func() bool {
	wait := append([]*bool(nil), c.waiting...)
	passed := func() bool {
		for _, gone := range wait {
			if !*gone {
				return false
			}
		}
		return true
	}
	if passed() {
		return nil
	}
	return passed
}

func (c *clockwork) Logger() *slog.Logger           { return slog.New(slog.DiscardHandler) }
func (c *clockwork) Now() time.Time                 { return time.Now() }
func (c *clockwork) Do(f func(ctx context.Context)) { f(context.Background()) }
func (c *clockwork) Go(func(ctx context.Context))   {}
func (c *clockwork) End()                           {}
func (c *clockwork) Keyed() bool                    { return false }
func (c *clockwork) Upstream() stage.Upstream       { return stage.Upstream{} }
func (c *clockwork) Ended() bool                    { return false }
func (c *clockwork) Count(string, int64)            {}

var _ stage.Runtime = (*clockwork)(nil)

func TestWatermark_IsTheLeastOfThePartitions(t *testing.T) {
	w := newWatermark(&clockwork{}, 10, 0, func(context.Context) {})
	require.Equal(t, never, w.advance())
	for _, step := range []struct {
		part string
		at   instant
		want instant
	}{
		{"a", 100, 90},
		{"a", 95, 90},   // out of order
		{"a", 150, 140}, //
		{"b", 50, 140},  // a partition that begins behind does not bring it back,
		{"a", 400, 140}, // but it holds it up
		{"b", 200, 190}, //
		{"b", 500, 390}, // now a is the last
		{"c", 600, 390}, // one that begins ahead
		{"a", 800, 490}, //
		{"b", 700, 590}, //
		{"a", 1, 590},   // very late
		{"c", 650, 640}, //
	} {
		w.see(step.part, step.at)
		require.Equal(t, step.want, w.advance(), "%+v", step)
	}
	w.reach(700)
	require.EqualValues(t, 700, w.advance())
	w.reach(1)
	require.EqualValues(t, 700, w.advance())
}

func TestWatermark_LeavesOutPartitionsWithoutRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, moved := &clockwork{}, 0
		w := newWatermark(c, 0, time.Minute, func(context.Context) { moved++ })
		w.see("a", 100)
		w.see("b", 200)
		for range 5 { // b has records, and a has not
			c.wait(29 * time.Second)
			w.see("b", 300)
		}
		require.EqualValues(t, 300, w.advance())
		w.see("a", 250)
		require.EqualValues(t, 300, w.advance())
		w.see("b", 400)
		require.EqualValues(t, 300, w.advance(), "a counts again")
		w.see("a", 500)
		require.EqualValues(t, 400, w.advance())
		c.wait(time.Hour)
		require.EqualValues(t, 400, w.advance(), "where all are idle it stays")
		require.Positive(t, moved)
		before := moved
		c.wait(time.Hour)
		require.Equal(t, before, moved, "and no clock runs")
		w.see("b", 600)
		require.EqualValues(t, 600, w.advance(), "a is still idle")
	})
}

func TestWatermark_WaitsForRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, moved := &clockwork{}, 0
		w := newWatermark(c, 0, 0, func(context.Context) { moved++ })
		w.see("a", 100)
		require.EqualValues(t, 100, w.advance())
		first := c.retry()
		w.see("a", 200)
		require.EqualValues(t, 100, w.advance())
		c.wait(time.Second)
		second := c.retry() // after the step to 200
		w.see("a", 300)
		c.wait(time.Second)
		require.EqualValues(t, 100, w.now)
		first()
		c.wait(time.Second)
		require.EqualValues(t, 200, w.now, "another that began to wait later does not hold it up")
		second()
		c.wait(time.Second)
		require.EqualValues(t, 300, w.now)
		require.Positive(t, moved)
		before := moved
		c.wait(time.Second)
		require.Equal(t, before, moved, "nobody looks any more")
	})
}

// There is always a record that waits, and yet the watermark goes on.
func TestWatermark_IsNotStarvedByRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{}
		w := newWatermark(c, 0, 0, func(context.Context) {})
		var through []func()
		for i := range 100 {
			through = append(through, c.retry())
			if i >= 3 {
				through[i-3]()
			}
			w.see("a", instant(i))
			w.advance()
			c.wait(time.Second)
		}
		require.GreaterOrEqual(t, w.now, instant(95))
		require.Less(t, w.now, instant(99))
	})
}

func TestInstant_StaysAtItsEnds(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
	require.Equal(t, at, instantOf(at).time())
	require.Equal(t, never, instantOf(time.Time{}))
	require.Equal(t, always, instantOf(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, always, instant(math.MaxInt64-1).plus(5))
	require.Equal(t, never, (never + 1).plus(-5))
	require.Equal(t, never, never.plus(5))
	require.Equal(t, always, always.plus(-5))
	require.EqualValues(t, 7, instant(2).plus(5))
}
