package chaosflow

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// Lease is for how long a worker takes a message: the shortest that the server grants, so that what a
// killed one had comes again soon.
const Lease = 10 * time.Second

// marksKept is for how long the store knows what was processed: longer than any run.
const marksKept = 24 * time.Hour

// Job is what a worker works with.
type Job struct {
	Client       *client.Client
	Topic, Group string
	Store        state.Store
	Pool         *pgxpool.Pool
	// Journal is told of each delivery.
	Journal *Journal
	// Dwell is how long a write may be put off, and its success kept back, at most.
	Dwell time.Duration
}

// Pipeline has three ends, which a message is acknowledged after: rows, one for each flight; totals of
// each carrier, counted in the store; and windows in the store, whose results go into a table.
func (j Job) Pipeline() *flow.Pipeline {
	store := dwelling{j.Store, j.Dwell}
	rows := rows{j.Pool, 5 * j.Dwell} // so that one which nobody waited for would be missed
	totals := newTotals(store)
	hours := hours{j.Pool, j.Dwell}
	flights := flow.From(sources.RocketMQ(j.Client, j.Topic, j.Group, sources.WithInvisible(Lease))).
		TryTap(j.Journal.note).
		TryMap(parse).
		Broadcast(3)
	return flow.Join(
		flights[0].Filter(Flight.isOne).Dedupe(Flight.Key, store, "rows written", marksKept).
			To(sinks.FuncBatch(rows.write), flow.Batched(256, time.Second), flow.OnWriteError(patiently())),
		flights[1].Filter(Flight.isOne).
			To(sinks.FuncBatch(totals.add), flow.Batched(256, time.Second), flow.OnWriteError(patiently())),
		flights[2].KeyBy(func(f Flight) string { return f.Carrier }).
			Window(flow.Tumbling(time.Hour), departure()).AllowedLateness(week).
			Identify(Flight.Key). // a flight that was sent again is another message
			KeptIn(store, "hours").
			Late(func(late flow.Stream[Flight]) *flow.Pipeline { return late.To(sinks.FuncBatch(hours.writeLate)) }).
			Agg(func() Tally { return Tally{} }, Tally.add).
			Filter(func(w flow.Window[string, Tally]) bool { return w.Key != "" }).
			To(sinks.FuncBatch(hours.write), flow.Batched(256, 200*time.Millisecond), flow.OnWriteError(patiently())),
	)
}

// week is how late flights may be. When proxy or broker are back, queues that were behind bring what is
// older by days, at the pace at which the flights are sent.
const week = 7 * 24 * time.Hour

// departure is the clock of the windows. A queue that brings nothing for a while holds up nothing, so that
// the end of the flights is the end of their windows.
func departure() flow.Clock[Flight] {
	return flow.EventTime(func(f Flight) time.Time { return f.Scheduled }, 12*time.Hour).Idle(5 * time.Second)
}

// patiently tries a write again a few times, as when two processes lock the same rows. Then the messages
// are handed back, and come again.
func patiently() flow.Policy {
	return flow.Retry(3, func() backoff.BackOff { return backoff.NewConstantBackOff(100 * time.Millisecond) })
}

// Run works until ctx ends, and then drains. It begins anew when the server is out of reach at the start,
// or finds neither topic nor group since the broker is down; any other error ends it.
func (j Job) Run(ctx context.Context, opts ...flow.RunOption) error {
	p := j.Pipeline()
	for {
		err := p.Run(ctx, opts...)
		missing := errors.Is(err, client.ErrTopicNotFound) || errors.Is(err, client.ErrGroupNotFound)
		if err == nil || ctx.Err() != nil || !missing && !client.Temporary(err) {
			return err
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

// pause waits, and tells whether ctx has lasted.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
