package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// Options says how to run.
type Options struct {
	Duration time.Duration // of the faults and the sending; what is under way then is waited for
	Seed     uint64        // of the faults
	Log      *slog.Logger  // is told of the progress, and of what the client reports as an error
}

// The topics, each with messages of its type.
const (
	normal      = "normal"
	delayed     = "delayed"
	transacted  = "transacted"
	sequenced   = "sequenced"
	simpleGroup = "simple"
	pushGroup   = "push"
	fifoGroup   = "fifo"
)

// retained is how many messages of a queue the broker keeps that all groups have received.
const retained = 500

// Report is what a run has seen.
type Report struct {
	Sent, Received, Duplicates, Failed int64 // messages; Failed are those whose sending failed
	Cuts, Freezes                      int64
	Refusals, Losses                   int64    // calls that were refused, and whose answer was lost
	HeapBytes                          []uint64 // one after the other, after collections
	Goroutines                         int      // at the most
}

// A run is the state of one.
type run struct {
	Options
	faults *faults
	ledger *ledger
	watch  *watch
	client *client.Client
}

// Run runs for the time given and returns what it has seen, with an error that joins all that was
// wrong.
func Run(ctx context.Context, o Options) (Report, error) {
	r := &run{Options: o, ledger: newLedger(), watch: newWatch()}
	err := r.all(ctx)
	return r.report(), errors.Join(err, r.ledger.problems(), r.watch.problems())
}

func (r *run) all(ctx context.Context) (err error) {
	b, err := startBroker()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r.faults = newFaults(b, r.Seed)
	r.client, err = client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()), client.WithLogger(r.Log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.client.Close()) }()
	consumers, err := r.startConsumers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumers.stop()) }()
	producer, err := r.client.NewProducer(client.WithTransactionChecker(decide))
	if err != nil {
		return err
	}
	err = r.load(ctx, producer)
	return errors.Join(err, r.ledger.settle(ctx, patience), producer.Close())
}

// patience is how long after the end what was sent may take to be received: redeliveries have to pass,
// and transactions may have to be decided.
const patience = 2 * time.Minute

// load sends, with faults, for the duration of the run.
func (r *run) load(ctx context.Context, p *client.Producer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Duration)
	defer cancel()
	var disturbing sync.WaitGroup
	disturbing.Go(func() { err = r.disturb(ctx) })
	r.produce(ctx, p)
	disturbing.Wait()
	return err
}

// disturb causes faults, one every few seconds, and measures in between.
func (r *run) disturb(ctx context.Context) error {
	sample := time.NewTicker(max(r.Duration/samples, time.Second))
	defer sample.Stop()
	next := time.NewTimer(r.faults.pause())
	defer next.Stop()
	for n := 0; ; {
		select {
		case <-next.C:
			if err := r.faults.cause(ctx, n); err != nil {
				return err
			}
			n++
			next.Reset(r.faults.pause())
		case <-sample.C:
			r.watch.sample()
			r.Log.Info("soak", "report", r.report())
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *run) report() Report {
	report := r.ledger.report()
	if f := r.faults; f != nil {
		report.Cuts, report.Freezes, report.Refusals, report.Losses = f.cuts, f.freezes, f.refusals, f.losses
	}
	report.HeapBytes, report.Goroutines = r.watch.heap, r.watch.goroutines
	return report
}

// startBroker starts one whose times are a sixth of a server's.
func startBroker() (*broker.Broker, error) {
	const scale = 6
	step := broker.RetryPolicy{Initial: 100 * time.Millisecond, Max: time.Second}
	b, err := broker.Start(broker.Options{
		InMemory: true,
		Retain:   retained,
		Topics: []broker.Topic{
			{Name: normal, Queues: 4}, {Name: delayed, Queues: 4, Type: broker.Delay},
			{Name: transacted, Queues: 4, Type: broker.Transaction}, {Name: sequenced, Queues: 4, Type: broker.FIFO},
		},
		Groups: []broker.Group{
			{Name: simpleGroup, Backoff: step}, {Name: pushGroup, Backoff: step}, {Name: fifoGroup, Ordered: true, Backoff: step},
		},
		Limits: broker.Limits{
			MinInvisible: 10 * time.Second / scale, MinPolling: 5 * time.Second / scale, MaxPolling: 20 * time.Second / scale,
			RedeliveryDelay: 2 * time.Second / scale, ClientExpiry: 120 * time.Second / scale,
			TransactionCheckInterval: 30 * time.Second / scale, TransactionTimeout: 6 * time.Second / scale,
			TransactionExpiry: 30 * time.Second / scale,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("soak: start the broker: %w", err)
	}
	return b, nil
}
