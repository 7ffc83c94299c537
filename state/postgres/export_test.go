package postgres

import (
	"context"

	"github.com/rocketflow-io/rocketflow/state"
)

// CommitPaused is Commit with a pause while rows are locked. No other commit may run.
func (s *Store) CommitPaused(ctx context.Context, changes *state.Changes, pause func()) (state.Version, error) {
	s.locked = pause
	defer func() { s.locked = nil }()
	return s.Commit(ctx, changes)
}
