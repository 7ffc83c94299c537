package postgres

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/rocketflow-io/rocketflow/state"
)

// Snapshot writes all entries: see [state.Store].
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	rows, err := s.pool.Query(ctx, s.text.all, now())
	if err != nil {
		return failed("snapshot", err)
	}
	defer rows.Close()
	// It is asked after the entries were: no version that they have is above it.
	var last state.Version
	if err := s.pool.QueryRow(ctx, s.text.last).Scan(&last); err != nil {
		return failed("snapshot", err)
	}
	return state.WriteSnapshot(w, last, func(yield func(state.Saved, error) bool) {
		for rows.Next() {
			var saved state.Saved
			e, err := entry(rows, &saved.Table)
			if err == nil {
				err = ctx.Err()
			}
			if saved.Entry = e; !yield(saved, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(state.Saved{}, failed("snapshot", err))
		}
	})
}

// restoreBytes is how much of a snapshot is sent at a time.
const restoreBytes = 1 << 20

// Restore fills the empty store, in one transaction: see [state.Store]. While it runs, commits wait.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE "+s.table+" IN EXCLUSIVE MODE"); err != nil {
			return failed("restore", err)
		}
		var some bool
		if err := tx.QueryRow(ctx, s.text.any, now()).Scan(&some); err != nil {
			return failed("restore", err)
		}
		if some {
			return state.ErrNotEmpty
		}
		if _, err := tx.Exec(ctx, s.text.clear); err != nil { // of what has expired
			return failed("restore", err)
		}
		return s.fill(ctx, tx, r)
	})
}

func (s *Store) fill(ctx context.Context, tx pgx.Tx, r io.Reader) error {
	var c columns
	size := 0
	send := func() error {
		if _, err := tx.Exec(ctx, s.text.insert, c.tables, c.keys, c.values, c.versions, c.expires); err != nil {
			return failed("restore", err)
		}
		c, size = columns{}, 0
		return nil
	}
	last, err := state.ReadSnapshot(r, func(e state.Saved) error {
		c.add(state.Write{Table: e.Table, Key: e.Key, Value: e.Value, Expires: e.Expires}, e.Version)
		if size += len(e.Key) + len(e.Value); size < restoreBytes {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.text.setLast, int64(last)); err != nil {
		return failed("restore", err)
	}
	return nil
}
