package operators

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// side is one of the streams of a join.
type side int

const (
	leftSide side = iota
	rightSide
)

func (s side) other() side { return 1 - s }

// newMark makes the watermark of both streams. They may differ in disorder, so it is taken from the
// times that the watermark sees. Of two times for partitions to be idle the longer counts.
func (j joining[K, L, R, O]) newMark(rt stage.Runtime, moved func(context.Context)) *watermark {
	idle := max(j.LeftClock.idle, j.RightClock.idle)
	if j.LeftClock.idle == 0 || j.RightClock.idle == 0 {
		idle = 0
	}
	w := newWatermark(rt, 0, idle, moved)
	w.await(2)
	return w
}

// see shows the watermark the time of a value.
func (j *joiner[K, L, R, O]) see(a *arrival[K, L, R]) {
	partition, outOfOrder := a.info.Partition, j.LeftClock.outOfOrder
	if partition == "" {
		partition = j.up.Partition
	}
	if a.side == rightSide {
		outOfOrder = j.RightClock.outOfOrder
	}
	j.mark.seeOf(int(a.side), partition, a.at.plus(-outOfOrder))
}

// alarm is a timer for the earliest of the times that it was set to.
type alarm struct {
	at   time.Time // zero if it is not set
	stop func() bool
}

func (a *alarm) set(rt stage.Runtime, at time.Time, f func(ctx context.Context)) {
	switch {
	case a.at.IsZero():
	case !at.Before(a.at):
		return
	default:
		a.stop()
	}
	a.at = at
	a.stop = rt.After(at.Sub(rt.Now()), func(ctx context.Context) {
		a.at = time.Time{}
		f(ctx)
	})
}
