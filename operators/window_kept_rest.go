package operators

import (
	"context"
	"errors"
	"time"
)

// rest is how long there is nothing to do.
func (p *keeper[K, T, A, O]) rest() time.Duration {
	now := p.rt.Now()
	at := p.seat.told.Add(p.kept.Heartbeat / 3)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) && !p.drained {
			at = t
		}
	}
	if len(p.others) > 0 {
		sooner(p.synced.Add(keptSyncEvery))
	}
	if p.mark == nil && p.nextDue > soon && p.nextDue < always {
		sooner(p.nextDue.time())
	}
	for _, t := range p.todo {
		sooner(t.at)
	}
	if len(p.changed) > 0 {
		sooner(p.earlyAt)
	}
	if at.Before(p.restAt) {
		at = p.restAt
	}
	return max(at.Sub(now), time.Millisecond)
}

// rested takes note of whether the store works.
func (p *keeper[K, T, A, O]) rested(err error) {
	if err == nil {
		p.restAt, p.restFor = time.Time{}, 0
		return
	}
	p.restFor = min(keptRest, max(2*p.restFor, 50*time.Millisecond))
	p.restAt = p.rt.Now().Add(p.restFor)
	if !errors.Is(err, context.Canceled) {
		p.rt.Logger().Warn("the store of windows fails", "windows", p.kept.Name, "error", err)
		p.rt.Count("store_errors", 1)
	}
}
