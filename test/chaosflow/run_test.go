package chaosflow

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state/postgres"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A run is one that the job does on a topic, a group and a schema of its own.
type run struct {
	*testing.T
	*target.Target
	topic, group string
	database     string // URL
	pool         *pgxpool.Pool
	crew         *crew
}

func newRun(t *testing.T, program, schema string, dwell time.Duration) *run {
	t.Helper()
	r := &run{T: t, Target: target.New(t)}
	r.topic, r.group = r.CreateTopic(t, "NORMAL", 8), r.CreateGroup(t, false, 16)
	r.database = withSchema(t, os.Getenv(databaseVariable), schema)
	pool, err := pgxpool.New(t.Context(), r.database)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	r.pool = pool
	_, err = pool.Exec(t.Context(), "CREATE SCHEMA "+schema+";"+Schema)
	require.NoError(t, err)
	r.crew = newCrew(t, program, "-endpoint", r.Endpoint(), "-topic", r.topic, "-group", r.group,
		"-database", r.database, "-dwell", dwell.String())
	return r
}

// withSchema adds to the URL of a database in which schema its tables are.
func withSchema(t *testing.T, database, schema string) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// send sends the flights to the topic, so many a second. It tries until each is stored.
func (r *run) send(ctx context.Context, flights []Flight, perSecond float64) error {
	c, err := client.New(r.Endpoint(), client.WithPlaintext())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	again := func() backoff.BackOff { return backoff.NewConstantBackOff(500 * time.Millisecond) }
	return flow.From(sources.Slice(flights)).
		Throttle(perSecond, 64).
		To(sinks.RocketMQOf(c, r.topic, Message), flow.Batched(64, 50*time.Millisecond), flow.OnWriteError(flow.Retry(1000, again))).
		Run(ctx)
}

// stored counts what the job has written so far: rows and counted flights.
func (r *run) stored(ctx context.Context) (rows, counted int, err error) {
	if err := r.pool.QueryRow(ctx, "SELECT count(*) FROM flights").Scan(&rows); err != nil {
		return 0, 0, err
	}
	totals, err := r.totals(ctx)
	for _, n := range totals {
		counted += n
	}
	return rows, counted, err
}

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

// results reads what the job has come to.
func (r *run) results() results {
	r.Helper()
	found, err := r.pool.Query(r.Context(), "SELECT id, carrier, scheduled, delay FROM flights")
	require.NoError(r, err)
	flights, err := pgx.CollectRows(found, pgx.RowToStructByPos[Flight])
	require.NoError(r, err)
	totals, err := r.totals(r.Context())
	require.NoError(r, err)
	res := results{rows: make(map[int]Flight), totals: totals}
	for _, f := range flights {
		f.Scheduled = f.Scheduled.UTC()
		res.rows[f.ID] = f
	}
	return res
}

// await waits until all flights are in the results, and nothing is left for the group: also nothing
// that a lease has kept away.
func (r *run) await(ctx context.Context, flights int) {
	r.Helper()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
	defer cancel()
	var quiet time.Time // since when nothing was delivered
	last := Deliveries{}
	for {
		rows, counted, err := r.stored(ctx)
		require.NoError(r, err)
		backlog, err := r.Backlog(ctx, r.group, r.topic)
		require.NoError(r, err)
		for i := range workers {
			require.NoError(r, r.crew.alive(i))
		}
		seen, err := ReadJournals(r.crew.dir)
		require.NoError(r, err)
		if seen != last || backlog > 0 {
			last, quiet = seen, time.Now()
		}
		if rows >= flights && counted >= flights && time.Since(quiet) > silence {
			return
		}
		require.True(r, pause(ctx, 500*time.Millisecond), "%v: %d rows, %d counted of %d; backlog %d; %+v",
			context.Cause(ctx), rows, counted, flights, backlog, seen)
	}
}
