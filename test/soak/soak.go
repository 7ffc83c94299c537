package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

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
	Cuts, Freezes, Refusals            int64
	HeapBytes                          []uint64 // one after the other, after collections
	Goroutines                         int      // at the most
}

// A run is the state of one.
type run struct {
	Options
	network *network
	ledger  *ledger
	watch   *watch
	client  *client.Client
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
	r.network = newNetwork(b.Dialer(), r.Seed)
	r.client, err = client.New("127.0.0.1:8081", client.WithConnect(r.network.connect), client.WithLogger(r.Log))
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
	r.load(ctx, producer)
	err = r.ledger.settle(ctx, patience) // for which transactions may have to be decided
	return errors.Join(err, producer.Close())
}

// patience is how long after the end what was sent may take to be received: redeliveries have to pass.
const patience = 2 * time.Minute

// load sends, with faults, for the duration of the run.
func (r *run) load(ctx context.Context, p *client.Producer) {
	ctx, cancel := context.WithTimeout(ctx, r.Duration)
	defer cancel()
	var faults sync.WaitGroup
	faults.Go(func() { r.disturb(ctx) })
	r.produce(ctx, p)
	faults.Wait()
}

// disturb causes faults, one every few seconds, and measures in between.
func (r *run) disturb(ctx context.Context) {
	random := rand.New(rand.NewPCG(r.Seed, 1))
	sample := time.NewTicker(max(r.Duration/samples, time.Second))
	defer sample.Stop()
	pause := func() time.Duration { return time.Second + random.N(3*time.Second) }
	next := time.NewTimer(pause())
	defer next.Stop()
	for kind := 0; ; {
		select {
		case <-next.C:
			switch kind++; kind % 3 {
			case 0:
				r.network.cut()
			case 1:
				r.network.freeze(ctx, 200*time.Millisecond+random.N(2*time.Second))
			default:
				r.network.refuse(ctx, time.Second)
			}
			next.Reset(pause())
		case <-sample.C:
			r.watch.sample()
			r.Log.Info("soak", "report", r.report())
		case <-ctx.Done():
			return
		}
	}
}

func (r *run) report() Report {
	report := r.ledger.report()
	if r.network != nil {
		report.Cuts, report.Freezes, report.Refusals = r.network.cuts.Load(), r.network.freezes.Load(), r.network.refusals.Load()
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

// connect is the client's way to the broker.
func (n *network) connect(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
	cc, err := n.newConn()
	if err != nil {
		return nil, nil, err
	}
	return &moody{ClientConn: cc, network: n}, cc, nil
}
