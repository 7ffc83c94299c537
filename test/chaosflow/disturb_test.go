package chaosflow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
)

// A disturber does to workers and server what plans say.
type disturber struct {
	t       *testing.T
	crew    *crew
	server  *rocketmq.Server
	begun   time.Time
	outages map[string]int // by what was killed
}

// run does all, and returns when it is done.
func (d *disturber) run(ctx context.Context, seed uint64, lasts time.Duration) error {
	d.begun, d.outages = time.Now(), make(map[string]int)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var both sync.WaitGroup
	follow := func(steps []step, do func(context.Context, step) error) {
		both.Go(func() {
			if err := d.follow(ctx, steps, do); err != nil {
				cancel(err)
			}
		})
	}
	follow(planWorkers(seed, lasts), d.toWorkers)
	follow(planServer(seed, lasts), d.toServer)
	both.Wait()
	return context.Cause(ctx)
}

// follow does each step when it is time for it, or at once if that is past.
func (d *disturber) follow(ctx context.Context, steps []step, do func(context.Context, step) error) error {
	for _, s := range steps {
		if !pause(ctx, s.at-time.Since(d.begun)) {
			return context.Cause(ctx)
		}
		d.log("%v", s)
		if err := do(ctx, s); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	return nil
}

func (d *disturber) log(format string, args ...any) {
	d.t.Logf("%6.1f s  "+format, append([]any{time.Since(d.begun).Seconds()}, args...)...)
}

func (d *disturber) toWorkers(_ context.Context, s step) error {
	for i := range workers {
		if err := d.crew.alive(i); err != nil {
			return err
		}
	}
	switch s.what {
	case "kill":
		return d.crew.kill(s.worker)
	case "start":
		return d.crew.start(s.worker)
	case "freeze":
		d.crew.frozen++
		return d.crew.members[s.worker].cmd.Process.Signal(syscall.SIGSTOP)
	default:
		return d.crew.members[s.worker].cmd.Process.Signal(syscall.SIGCONT)
	}
}

func (d *disturber) toServer(ctx context.Context, s step) error {
	kill := func() error { return d.server.KillProxy(0) }
	start := func() error { return d.server.StartProxy(ctx, 0) }
	if s.what == "broker" {
		kill = d.server.KillBroker
		start = func() error { return d.server.StartBroker(ctx) }
	}
	if err := kill(); err != nil {
		return err
	}
	d.outages[s.what]++
	if !pause(ctx, s.down) {
		return errors.Join(context.Cause(ctx), start())
	}
	if err := start(); err != nil {
		return err
	}
	d.log("the %s answers again", s.what)
	return nil
}
