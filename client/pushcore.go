package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	startAttempts = 3 // to reach a server, at the beginning of a run

	// shortestLease is the least that servers grant.
	shortestLease = 10 * time.Second
	// renewedLease is for how long servers renew a lease.
	renewedLease = 3 * time.Hour
)

// A pusher is what all kinds of push consumers have in common. Messages pass through it so:
//
//	feed (one a topic) → intake (one an assignment) → cache, a bound on what is inside
//	    → workers, by way of lanes on a FIFO group → handler
//	    → settler: acknowledged, handed back, or moved to the dead letters → out of the cache
//
// No stage waits for a later one but through the cache: what has arrived always has its place in the
// queue of the workers or in its lane, and a worker hands the outcome to the settler and goes on.
//
// A kind of consumer, made by newPusher, sets before the first subscribe:
//   - laneOf, by which messages of a FIFO group are kept apart: those of one lane are consumed one
//     after the other, in order of arrival, each after the one before it is settled;
//   - fifo, if it is not the group's settings that say whether there are lanes;
//   - suspendRest, if [SuspendFor] is to hand back the message, and what came with it in the same lane,
//     instead of having it wait here;
//
// and then calls subscribe, consumer.client.join, run and close. What requests carry besides, such as a
// lite topic, is the business of tryAck, tryChange and tryForward, which all consumers share.
type pusher struct {
	consumer *consumer
	cfg      pushConfig
	handle   Handler

	laneOf      func(m *Message) laneKey
	fifo        func() bool
	suspendRest bool

	subscriptions subscriptions
	rate          *rateLimit
	cache         *cache
	polls         atomic.Int32 // that are under way, or wait for room
	workers       *workers
	lanes         *lanes
	settler       *settler

	producers sync.WaitGroup  // the feeds and all that they start
	fetching  context.Context // ended when no more is to be fetched: by the end of Run's context, or by close
	endFetch  context.CancelCauseFunc
	handling  context.Context // of the handlers; set by begin, under mu; ended when a drain has lasted too long
	endHandle context.CancelCauseFunc

	mu      sync.Mutex // guards what follows
	started bool       // run has been called
	closed  bool       // no run begins any more
	done    chan struct{}
}

func (c *Client) newPusher(kind v2.ClientType, group string, handle Handler, cfg pushConfig) *pusher {
	p := &pusher{
		consumer: c.newConsumer(kind, group), cfg: cfg, handle: handle,
		rate: newRateLimit(cfg.rate), cache: newCache(cfg.messages, cfg.bytes), done: make(chan struct{}),
	}
	p.subscriptions.feeds = make(map[string]*feed)
	p.fetching, p.endFetch = context.WithCancelCause(context.Background())
	p.fifo = p.groupIsFIFO
	p.workers = &workers{limit: cfg.concurrency}
	p.lanes = &lanes{pusher: p, byKey: make(map[laneKey]*lane), tried: make(map[string]int)}
	p.settler = newSettler(p)
	p.consumer.member.describe = p.describe
	p.consumer.member.commands.verify = p.verify
	p.consumer.member.cached = p.report
	return p
}

func (p *pusher) groupIsFIFO() bool {
	s := p.consumer.settings.Load()
	return s != nil && s.FIFO
}

// run is PushConsumer.Run.
func (p *pusher) run(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	defer close(p.done)
	stop := context.AfterFunc(ctx, func() { p.endFetch(context.Cause(ctx)) })
	defer stop()
	err := p.start()
	if err == nil {
		<-p.fetching.Done()
	}
	if p.fetching.Err() != nil {
		err = nil // it was told to end, whether it had begun or not
	}
	p.drain()
	return err
}

// begin makes sure that there is one run. Its call is registered with the consumer until the drain is over.
func (p *pusher) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return closedError("consumer")
	}
	if p.started {
		return illegal(nil, "consumer", "runs already, or has: make another for another run")
	}
	if err := p.consumer.begin(); err != nil {
		return err
	}
	p.started = true
	p.handling, p.endHandle = context.WithCancelCause(context.WithoutCancel(ctx))
	return nil
}

// start begins to fetch, once all topics are known to exist and servers to accept the consumer.
func (p *pusher) start() error {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex // guards failed
		failed []error
	)
	for _, f := range p.sortedFeeds() {
		wg.Go(func() {
			if err := f.prepare(p.fetching); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	s := &p.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = true
	for _, f := range s.feeds {
		p.producers.Go(f.run)
	}
	return nil
}

// drain ends a run: see PushConsumer.Run. The order is that in which messages pass, so that each stage
// gets nothing more when its turn has come.
func (p *pusher) drain() {
	p.endFetch(closedError("consumer"))
	late := time.AfterFunc(p.cfg.drainTimeout, func() { p.endHandle(errDrainTimeout) })
	defer late.Stop()
	s := &p.subscriptions
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	p.producers.Wait()
	p.lanes.close()
	for _, c := range p.evict(func(*cached) bool { return true }) {
		p.settler.handBack(c)
	}
	p.workers.wg.Wait()
	p.settler.wg.Wait()
	p.endHandle(nil)
	p.consumer.pending.Done() // of begin
	p.consumer.close()
}

var errDrainTimeout = errors.New("the drain of the consumer has lasted too long")

// close is PushConsumer.Close.
func (p *pusher) close() error {
	p.mu.Lock()
	p.closed = true
	started := p.started
	p.mu.Unlock()
	if !started {
		p.consumer.close()
		return nil
	}
	p.endFetch(closedError("consumer"))
	<-p.done
	return nil
}

// evict takes out of the queues what no handler has begun with.
func (p *pusher) evict(which func(*cached) bool) []*cached {
	return append(p.workers.remove(which), p.lanes.remove(which)...)
}
