package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// runtime is what an operator sees of the engine.
type runtime[I any] struct {
	g *guard[I]

	disturb  Disturbance // nil but in tests
	disturbs bool        // the operator calls it by itself
	barred   []*Stage    // those of the barrier, once it is asked for
}

var (
	_ stage.Runtime        = (*runtime[int])(nil)
	_ stage.Completer[int] = (*runtime[int])(nil)
	_ stage.Resumer[int]   = (*runtime[int])(nil)
	_ stage.Disturber      = (*runtime[int])(nil)
	_ stage.Stepper        = (*runtime[int])(nil)
	_ stage.Follower       = (*runtime[int])(nil)
	_ stage.Gauger         = (*runtime[int])(nil)
)

func (r *runtime[I]) Logger() *slog.Logger { return r.g.stage.Logger() }

func (r *runtime[I]) Now() time.Time { return time.Now() }

func (r *runtime[I]) Keyed() bool { return r.g.stage.keyed }

func (r *runtime[I]) Count(name string, n int64) { r.g.stage.Count(name, n) }

func (r *runtime[I]) Gauge(name string, read func() int64) { r.g.stage.gauges.add(name, read) }

func (r *runtime[I]) Do(f func(ctx context.Context)) { r.g.gates.down.do(f) }

func (r *runtime[I]) Go(f func(ctx context.Context)) {
	r.g.stage.run.goes.Add(1)
	go func() {
		defer r.g.stage.run.goes.Done()
		f(r.g.ctx)
	}()
}

func (r *runtime[I]) End() { r.g.stage.run.end(r.g.stage) }

func (r *runtime[I]) Upstream() stage.Upstream { return r.g.stage.upstream }

func (r *runtime[I]) Barrier() func() bool {
	if r.barred == nil {
		r.barred = append(r.g.stage.run.above(r.g.stage), r.g.stage)
	}
	return barrier(r.barred)
}

func (r *runtime[I]) Ended() bool { return r.g.stage.run.inputEnded(r.g.stage) }

// After runs f under the lock. A panic in f itself ends the run: no record is at hand that it
// could be blamed on.
func (r *runtime[I]) After(d time.Duration, f func(ctx context.Context)) func() bool {
	if r.g.stage.run.hard.Load() {
		return func() bool { return true } // what is held is about to be drained
	}
	return r.g.stage.run.after(d, func() { r.g.gates.down.do(f) })
}

// Disturbance gives what the operator is to call.
func (r *runtime[I]) Disturbance() func(ctx context.Context, value any, info stage.Info) error {
	r.disturbs = true
	return r.disturb
}

// Followed tells whether there is a probe.
func (r *runtime[I]) Followed() bool { return r.g.stage.run.cfg.Probe != nil }

// Steps lets the probe, if there is one, move the operator's watermark.
func (r *runtime[I]) Steps(f func(ctx context.Context, to time.Time)) {
	r.g.stage.run.cfg.Probe.steppers(func(to time.Time) {
		r.g.gates.down.do(func(ctx context.Context) { f(ctx, to) })
	})
}

// Complete takes the return of an asynchronous operator from a record.
func (r *runtime[I]) Complete(ctx context.Context, rec stage.Record[I], err error) {
	duty, t := r.g.stage.returned(rec.Duty)
	r.g.ended(stage.Record[I]{Value: rec.Value, Duty: duty}, t, err)
}

// Resume lets the stage wait for a record again. It gave up its key when it was completed, and holds
// none from now on.
func (r *runtime[I]) Resume(rec stage.Record[I]) stage.Record[I] {
	r.g.stage.hold(1)
	duty, _ := r.g.stage.returned(rec.Duty)
	return stage.Record[I]{Value: rec.Value, Duty: duty}
}
