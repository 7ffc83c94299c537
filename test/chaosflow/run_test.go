package chaosflow

import (
	"context"
	"errors"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A run is one that the job does on a topic, a group and a schema of its own.
type run struct {
	*testing.T
	*target.Target
	topic, group string
	pool         *pgxpool.Pool
	crew         *crew
	want         results
}

// newRun begins one, with all workers at work. The job is to come to what is wanted.
func newRun(t *testing.T, program, schema string, dwell time.Duration, want results) *run {
	t.Helper()
	r := &run{T: t, Target: target.New(t), want: want}
	r.topic, r.group = r.CreateTopic(t, "NORMAL", 8), r.CreateGroup(t, false, 16)
	database := withSchema(t, os.Getenv(databaseVariable), schema)
	pool, err := pgxpool.New(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	r.pool = pool
	_, err = pool.Exec(t.Context(), "CREATE SCHEMA "+schema+";"+Schema)
	require.NoError(t, err)
	r.crew = newCrew(t, program, "-endpoint", r.Endpoint(), "-topic", r.topic, "-group", r.group,
		"-database", database, "-dwell", dwell.String())
	for i := range workers {
		require.NoError(t, r.crew.start(i))
	}
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

// send sends flights to the topic, so many a second, and tries until each is stored.
func (r *run) send(ctx context.Context, flights stage.Source[Flight], perSecond float64) error {
	c, err := client.New(r.Endpoint(), client.WithPlaintext())
	if err != nil {
		return err
	}
	again := func() backoff.BackOff { return backoff.NewConstantBackOff(500 * time.Millisecond) }
	err = flow.From(flights).
		Throttle(perSecond, 64).
		To(sinks.RocketMQOf(c, r.topic, Message), flow.Batched(64, 50*time.Millisecond), flow.OnWriteError(flow.Retry(1000, again))).
		Run(ctx)
	return errors.Join(err, c.Close())
}

// finish waits until all has come of the flights that has to, and nothing comes any more, and lets the
// workers drain.
func (r *run) finish() {
	r.Helper()
	flights := len(r.want.rows)
	r.await("all rows written and counted", func(p progress) bool { return p.rows >= flights && p.counted >= flights })
	telling, told := context.WithCancel(r.Context())
	defer told()
	sent := make(chan error, 1)
	go func() { sent <- r.tellOfJune(telling) }()
	r.await("a result of each hour", func(p progress) bool { return p.inHours >= flights })
	told()
	require.NoError(r, <-sent)
	r.await("silence", func(p progress) bool { return p.backlog == 0 && p.silent > silence })
	r.crew.drain(r.T)
}

// tellOfJune sends, until ctx ends, what lets each worker hear from each queue that January is over.
func (r *run) tellOfJune(ctx context.Context) (err error) {
	m, err := Message(Flight{Scheduled: time.Date(2013, 6, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	m.Topic = r.topic
	c, err := client.New(r.Endpoint(), client.WithPlaintext())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p, err := c.NewProducer()
	if err != nil {
		return err
	}
	for pause(ctx, 50*time.Millisecond) {
		if _, err := p.Send(ctx, m); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}
