package chaosflow

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema makes the tables of a run, in the first schema of the search path.
const Schema = `
CREATE TABLE flights (id int PRIMARY KEY, carrier text NOT NULL, scheduled timestamptz NOT NULL, delay int NOT NULL,
	writes int NOT NULL DEFAULT 1);
CREATE TABLE hours (pane text NOT NULL, revision int NOT NULL, carrier text NOT NULL, hour timestamptz NOT NULL,
	flights int NOT NULL, delay int NOT NULL);
CREATE TABLE late (id int NOT NULL);`

// rows writes a row for each flight, and counts how often it was written.
type rows struct {
	pool  *pgxpool.Pool
	dwell time.Duration
}

// write writes flights in one transaction, in an order that all processes have, so that no two wait
// for each other.
func (r rows) write(ctx context.Context, flights []Flight) error {
	dwell(ctx, r.dwell)
	defer dwell(ctx, r.dwell)
	batch := &pgx.Batch{}
	for _, f := range slices.SortedFunc(slices.Values(flights), func(a, b Flight) int { return cmp.Compare(a.ID, b.ID) }) {
		batch.Queue(`INSERT INTO flights VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET carrier = excluded.carrier, scheduled = excluded.scheduled,
				delay = excluded.delay, writes = flights.writes + 1`,
			f.ID, f.Carrier, f.Scheduled, f.Delay)
	}
	if err := r.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}
