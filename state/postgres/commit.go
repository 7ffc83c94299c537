package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rocketflow-io/rocketflow/state"
)

// commitTries is how often a commit is tried that others have crossed.
const commitTries = 10

// Commit makes changes: see [state.Store].
func (s *Store) Commit(ctx context.Context, changes *state.Changes) (state.Version, error) {
	if err := changes.Check(); err != nil {
		return state.Any, err
	}
	if err := s.usable(ctx); err != nil || len(changes.Writes) == 0 {
		return state.Any, err
	}
	for try := 1; ; try++ {
		v, err := s.try(ctx, changes.Writes)
		if err != nil && crossed(err) && try < commitTries {
			continue // nothing was changed; what the other has done is seen now
		}
		if err != nil && !errors.Is(err, state.ErrConflict) {
			err = failed("commit", err)
		}
		return v, err
	}
}

// crossed tells whether a transaction failed since another had inserted the same key, or the two were
// waiting for each other.
func crossed(err error) bool {
	const uniqueViolation, serializationFailure, deadlock = "23505", "40001", "40P01"
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == uniqueViolation || e.Code == serializationFailure || e.Code == deadlock)
}

// place is where an entry is.
type place struct{ table, key string }

// row is what a row had when it was locked.
type row struct {
	version state.Version
	expires int64
}

// try is one transaction. A connection that is released in the middle of one is closed by the pool, and
// the transaction so rolled back.
func (s *Store) try(ctx context.Context, writes []state.Write) (state.Version, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return state.Any, err
	}
	defer conn.Release()
	rows, v, err := s.lock(ctx, conn, writes)
	if err != nil {
		return state.Any, err
	}
	if s.locked != nil {
		s.locked()
	}
	if unmet := unmet(writes, rows); len(unmet) > 0 {
		_, err := conn.Exec(ctx, "ROLLBACK")
		if err != nil {
			return state.Any, err
		}
		return state.Any, &state.ConflictError{Writes: unmet}
	}
	return v, s.write(ctx, conn, writes, rows, v)
}

// lock begins a transaction, locks the rows that are there of what is to be written, and takes a
// version. It is taken under the locks, so that the versions of a row go upwards.
func (s *Store) lock(ctx context.Context, conn *pgxpool.Conn, writes []state.Write) (map[place]row, state.Version, error) {
	keys := columns{}
	for _, w := range writes {
		keys.add(w, 0)
	}
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue(fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", s.idle.Milliseconds()))
	rows := make(map[place]row)
	b.Queue(s.text.lock, keys.tables, keys.keys).Query(func(found pgx.Rows) error {
		for found.Next() {
			var table string
			var key []byte
			var r row
			if err := found.Scan(&table, &key, &r.version, &r.expires); err != nil {
				return err
			}
			rows[place{table, string(key)}] = r
		}
		return found.Err()
	})
	var v state.Version
	b.Queue(s.text.version).QueryRow(func(r pgx.Row) error { return r.Scan(&v) })
	return rows, v, conn.SendBatch(ctx, b).Close()
}

// unmet gives the places of writes whose condition does not hold.
func unmet(writes []state.Write, rows map[place]row) (unmet []int) {
	now := now()
	for i, w := range writes {
		version := state.Absent
		if r, ok := rows[place{w.Table, string(w.Key)}]; ok && (r.expires == 0 || r.expires > now) {
			version = r.version
		}
		if w.If != state.Any && w.If != version {
			unmet = append(unmet, i)
		}
	}
	return unmet
}

// write makes the writes and commits. Of several to one key the last counts. A key that must be absent
// and has no row to be locked by is inserted, also if it is to be deleted: that fails if another has
// inserted it since.
func (s *Store) write(ctx context.Context, conn *pgxpool.Conn, writes []state.Write, rows map[place]row, v state.Version) error {
	last := make(map[place]int, len(writes))
	strict := make(map[place]bool)
	for i, w := range writes {
		at := place{w.Table, string(w.Key)}
		last[at] = i
		if _, there := rows[at]; !there && w.If == state.Absent {
			strict[at] = true
		}
	}
	var inserts, puts, drops columns
	for i, w := range writes {
		at := place{w.Table, string(w.Key)}
		if last[at] != i {
			continue
		}
		switch {
		case strict[at]:
			inserts.add(w, v)
		case !w.Delete:
			puts.add(w, v)
		}
		if w.Delete {
			drops.add(w, v)
		}
	}
	b := &pgx.Batch{}
	for _, part := range []struct {
		text string
		of   columns
	}{{s.text.insert, inserts}, {s.text.put, puts}} {
		if c := part.of; len(c.keys) > 0 {
			b.Queue(part.text, c.tables, c.keys, c.values, c.versions, c.expires)
		}
	}
	if len(drops.keys) > 0 {
		b.Queue(s.text.drop, drops.tables, drops.keys)
	}
	b.Queue("COMMIT")
	return conn.SendBatch(ctx, b).Close()
}

// columns are writes as they are sent.
type columns struct {
	tables            []string
	keys, values      [][]byte
	versions, expires []int64
}

func (c *columns) add(w state.Write, v state.Version) {
	c.tables = append(c.tables, w.Table)
	c.keys = append(c.keys, bytesOf(w.Key))
	c.values = append(c.values, bytesOf(w.Value))
	c.versions = append(c.versions, int64(v))
	c.expires = append(c.expires, state.Nanoseconds(w.Expires))
}
