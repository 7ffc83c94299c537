// Package quiet runs a pipeline until nothing comes any more: a topic never ends, and an example does.
package quiet

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
)

// looks is how often it is looked in the time that has to be quiet.
const looks = 20

// Run runs the pipeline until it holds nothing and nothing has come for so long, and then drains it.
// If ctx ends before, the error wraps its cause.
func Run(ctx context.Context, p *flow.Pipeline, quiet time.Duration, opts ...flow.RunOption) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(running, opts...) }()
	tick := time.NewTicker(quiet / looks)
	defer tick.Stop()
	for before, still := int64(0), 0; still < looks; {
		select {
		case err := <-ran:
			if err == nil {
				err = context.Cause(ctx)
			}
			return err
		case <-tick.C:
		}
		still++
		if now, busy := work(p.Snapshot()); busy || now != before {
			before, still = now, 0
		}
	}
	stop()
	return <-ran
}

// work tells how many records the sources have read, and whether one of them is on its way.
func work(s flow.Snapshot) (read int64, busy bool) {
	for _, stage := range s.Stages {
		if stage.Source != nil {
			read += stage.In
			busy = busy || stage.Source.InFlight > 0
		}
	}
	return read, busy
}
