package chaosflow

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state/postgres"
)

// progress is how far a run has come.
type progress struct {
	rows    int // written
	counted int // flights that are in the totals
	inHours int // flights that are in results of windows
	late    int
	backlog int64
	seen    Deliveries
	silent  time.Duration // nothing was delivered for so long, and there was no backlog
}

func (p progress) String() string {
	return fmt.Sprintf("%d rows, %d counted, %d in hours, %d late; backlog %d, silence for %v; %v",
		p.rows, p.counted, p.inHours, p.late, p.backlog, p.silent.Round(time.Second), p.seen)
}

// await waits until the run has come so far.
func (r *run) await(what string, far func(progress) bool) {
	r.Helper()
	ctx, cancel := context.WithTimeoutCause(r.Context(), patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	var last progress
	for heard := time.Now(); ; {
		p, err := r.progress(ctx)
		require.NoError(r, err, what)
		if p.seen != last.seen || p.backlog > 0 {
			heard = time.Now()
		}
		p.silent = time.Since(heard)
		if far(p) {
			return
		}
		if !pause(ctx, 500*time.Millisecond) {
			r.requireResults() // it tells more
			require.FailNow(r, what+" is not to be had", "%v: %v", context.Cause(ctx), p)
		}
		last = p
	}
}

// progress fails if a worker has ended.
func (r *run) progress(ctx context.Context) (p progress, err error) {
	for i := range workers {
		if err := r.crew.alive(i); err != nil {
			return p, err
		}
	}
	row := r.pool.QueryRow(ctx, "SELECT (SELECT count(*) FROM flights), (SELECT coalesce(sum(flights), 0) FROM ("+lastRevisions+") AS panes), (SELECT count(*) FROM late)")
	if err := row.Scan(&p.rows, &p.inHours, &p.late); err != nil {
		return p, err
	}
	totals, err := r.totals(ctx)
	if err != nil {
		return p, err
	}
	for _, n := range totals {
		p.counted += n
	}
	if p.backlog, err = r.Backlog(ctx, r.group, r.topic); err != nil {
		return p, err
	}
	p.seen, err = ReadJournals(r.crew.dir)
	return p, err
}

// totals reads the counts from the store.
func (r *run) totals(ctx context.Context) (map[string]int, error) {
	store, err := postgres.Open(ctx, r.pool)
	if err != nil {
		return nil, err
	}
	totals := make(map[string]int)
	for item, err := range Totals().Scan(ctx, store) {
		if err != nil {
			return nil, err
		}
		totals[item.Key] = item.Value
	}
	return totals, store.Close()
}
