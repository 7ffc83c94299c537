package chaosflow

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rocketflow-io/rocketflow/flow"
)

// Tally is what is counted of the flights of a carrier in an hour.
type Tally struct {
	Flights int `json:"flights"`
	Delay   int `json:"delay"` // of all, in minutes
}

func (t Tally) add(f Flight) Tally { return Tally{t.Flights + 1, t.Delay + f.Delay} }

// hours notes each result of the windows. The last revision of a pane is what counts; a sink that is not
// to show how it came to that would write it over those before.
type hours struct {
	pool  *pgxpool.Pool
	dwell time.Duration
}

func (h hours) write(ctx context.Context, results []flow.Window[string, Tally]) error {
	dwell(ctx, h.dwell)
	defer dwell(ctx, h.dwell)
	batch := &pgx.Batch{}
	for _, w := range results {
		batch.Queue("INSERT INTO hours VALUES ($1, $2, $3, $4, $5, $6)",
			w.Pane(), w.Revision, w.Key, w.Start, w.Value.Flights, w.Value.Delay)
	}
	if err := h.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write hours: %w", err)
	}
	return nil
}

func (h hours) writeLate(ctx context.Context, flights []Flight) error {
	batch := &pgx.Batch{}
	for _, f := range flights {
		batch.Queue("INSERT INTO late VALUES ($1)", f.ID)
	}
	if err := h.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write late flights: %w", err)
	}
	return nil
}
