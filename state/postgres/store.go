// Package postgres keeps state in PostgreSQL, for any number of processes, by github.com/jackc/pgx.
//
//	pool, err := pgxpool.New(ctx, "postgres://flights@db/flights")
//	store, err := postgres.Open(ctx, pool)
//
// A commit is a transaction of two round trips: one that locks and reads what is to change, in the
// order of the keys, and one that changes it and commits. So what a process has in one [state.Changes],
// such as sums and the marks of the messages that are in them, is there or is not, for all of them.
//
// # Processes that were thought dead
//
// A process that was paused beyond the lease of its messages finds, when it goes on, that another has
// processed them: their marks are there, and the versions have gone on. Its commit fails with a
// [state.ConflictError] and changes nothing. If it was paused in the middle of a commit, with rows
// locked, the server ends its transaction after [DefaultIdle], so that the others need not wait for it.
//
// Expiry goes by the clocks of the processes, which are to agree as well as what expires demands.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rocketflow-io/rocketflow/state"
)

// DefaultIdle is how long a transaction of a commit may stand still in the middle, with what it has
// locked, before the server ends it.
const DefaultIdle = 5 * time.Second

// DefaultTable is the name of the store's table.
const DefaultTable = "rocketflow_state"

// Store keeps state in a table. It implements [state.Store].
type Store struct {
	pool  *pgxpool.Pool
	table string        // quoted
	seq   string        // the sequence of versions, quoted
	idle  time.Duration // see DefaultIdle
	text  statements

	locked func() // called by tests when a commit has locked its rows; else nil

	stop   context.CancelFunc // ends the goroutine of sweep
	swept  sync.WaitGroup
	mu     sync.RWMutex // guards closed
	closed bool
}

var _ state.Store = (*Store)(nil)

// Option sets how a store is opened.
type Option func(*config)

type config struct {
	table string
	idle  time.Duration
}

// WithTable sets the name of the store's table, in the first schema of the search path. The default is
// [DefaultTable]. Stores with other tables have nothing in common.
func WithTable(name string) Option { return func(c *config) { c.table = name } }

// WithIdle sets how long a transaction may stand still: [DefaultIdle] by default, at least a
// millisecond. A pause of a process that is longer than this fails a commit that it happens in.
func WithIdle(d time.Duration) Option { return func(c *config) { c.idle = d } }

// Open opens the store in a database, and makes its table if it is not there. The pool stays the
// caller's, and is to be closed after the store. It must allow 2 connections or more.
func Open(ctx context.Context, pool *pgxpool.Pool, opts ...Option) (*Store, error) {
	c := config{table: DefaultTable, idle: DefaultIdle}
	for _, opt := range opts {
		opt(&c)
	}
	switch {
	case c.table == "" || len(c.table) > 48:
		return nil, fmt.Errorf("state/postgres: table %q: a name has 1 to 48 bytes", c.table)
	case c.idle < time.Millisecond:
		return nil, fmt.Errorf("state/postgres: a transaction may stand still for %v: at least 1ms is needed", c.idle)
	case pool.Config().MaxConns < 2:
		return nil, errors.New("state/postgres: the pool has 1 connection: a scan that commits needs 2")
	}
	s := &Store{pool: pool, idle: c.idle, table: quoted(c.table), seq: quoted(c.table + "_versions")}
	s.text = s.statements()
	if err := s.prepare(ctx, c.table); err != nil {
		return nil, fmt.Errorf("state/postgres: open table %q: %w", c.table, err)
	}
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.swept.Go(func() { s.sweep(sweeping) })
	return s, nil
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// prepare makes the table. A lock keeps processes that begin together from making it at once.
func (s *Store) prepare(ctx context.Context, name string) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var durable string
		if err := tx.QueryRow(ctx, "SHOW synchronous_commit").Scan(&durable); err != nil {
			return err
		}
		if durable == "off" {
			return errors.New("synchronous_commit is off, so that a crash takes back what was committed: set it to on for this database")
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", name); err != nil {
			return err
		}
		for _, statement := range s.schema(name) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// usable says why the store cannot be used; nil if it can.
func (s *Store) usable(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return state.ErrClosed
	}
	return ctx.Err()
}

// Close ends the store. What is under way is finished; the pool stays open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.stop()
		s.swept.Wait()
	}
	return nil
}

// now gives the time that decides what has expired.
func now() int64 { return time.Now().UnixNano() }

func failed(what string, err error) error { return fmt.Errorf("state/postgres: %s: %w", what, err) }
