package chaosflow

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rocketflow-io/rocketflow/state"
)

// dwell waits for a random time up to most.
func dwell(ctx context.Context, most time.Duration) {
	if most > 0 {
		pause(ctx, rand.N(most))
	}
}

// dwelling is a store that stays for a moment before and after each commit that is made. So others come in between
// what a process has read and what it writes, and a kill between that and what it does next.
type dwelling struct {
	state.Store
	most time.Duration
}

// Commit implements state.Store.
func (d dwelling) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	dwell(ctx, d.most)
	v, err := d.Store.Commit(ctx, c)
	if err == nil {
		dwell(ctx, d.most)
	}
	return v, err
}
