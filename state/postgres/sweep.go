package postgres

import (
	"context"
	"time"
)

const (
	// sweepEvery is how often each process removes what has expired.
	sweepEvery = time.Minute
	// sweepMost is how many rows it removes in one statement.
	sweepMost = 1000
)

// sweep removes what has expired, until ctx ends. A failure is left to the next time, or to another
// process: what has expired is absent all the same.
func (s *Store) sweep(ctx context.Context) {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		for {
			done, err := s.pool.Exec(ctx, s.text.sweep, now(), sweepMost)
			if err != nil || done.RowsAffected() < sweepMost {
				break
			}
		}
	}
}
