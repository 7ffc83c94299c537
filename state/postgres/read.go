package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/rocketflow-io/rocketflow/state"
)

// Get gives entries: see [state.Store].
func (s *Store) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	entries := make([]state.Entry, len(keys))
	asked := make([][]byte, len(keys))
	for i, key := range keys {
		entries[i] = state.Entry{Key: key, Version: state.Absent}
		asked[i] = bytesOf(key)
	}
	if len(keys) == 0 || !state.ValidTable(table) {
		return entries, nil
	}
	rows, err := s.pool.Query(ctx, s.text.get, table, asked, now())
	if err != nil {
		return nil, failed("get", err)
	}
	found := make(map[string]state.Entry, len(keys))
	for rows.Next() {
		e, err := entry(rows)
		if err != nil {
			rows.Close()
			return nil, failed("get", err)
		}
		found[string(e.Key)] = e
	}
	if err := rows.Err(); err != nil {
		return nil, failed("get", err)
	}
	for i, key := range keys {
		if e, ok := found[string(key)]; ok {
			entries[i] = e
		}
	}
	return entries, nil
}

// bytesOf gives bytes that are not NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// entry reads a row of key, value, version and expiry; what precedes them goes to before.
func entry(rows pgx.Rows, before ...any) (e state.Entry, err error) {
	var expires int64
	err = rows.Scan(append(before, &e.Key, &e.Value, &e.Version, &expires)...)
	e.Expires = state.FromNanoseconds(expires)
	return e, err
}

// Scan gives entries in order: see [state.Store]. It has a connection of its own until it ends.
func (s *Store) Scan(ctx context.Context, table string, keys state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		err := s.usable(ctx)
		if err == nil && state.ValidTable(table) {
			err = s.scan(ctx, table, keys, yield)
		}
		if err != nil {
			yield(state.Entry{}, err)
		}
	}
}

func (s *Store) scan(ctx context.Context, table string, keys state.Range, yield func(state.Entry, error) bool) error {
	text, args := s.text.scan, []any{table, bytesOf(keys.From), now()}
	if keys.Until != nil {
		text, args = s.text.scanFrom, append(args, keys.Until)
	}
	rows, err := s.pool.Query(ctx, text, args...)
	if err != nil {
		return failed("scan", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := entry(rows)
		if err != nil {
			return failed("scan", err)
		}
		if !yield(e, nil) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return failed("scan", err)
	}
	return nil
}
