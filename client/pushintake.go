package client

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/cenkalti/backoff/v4"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const (
	// What holds until the server has said.
	defaultLongPolling = 30 * time.Second
	defaultBatchSize   = 32

	// A server that says that it is busy wants less; one that is in trouble wants to be left alone, but
	// not for so long that consumption would go on more than five seconds after the server is back.
	firstThrottled, lastThrottled = 20 * time.Millisecond, time.Second
	firstTrouble, lastTrouble     = time.Second, 3 * time.Second
)

// An intake polls for one assignment: one poll at a time on a FIFO group, and otherwise as many as
// bring full answers, up to a bound.
type intake struct {
	feed    *feed
	queue   *queue
	ctx     context.Context
	cancel  context.CancelCauseFunc
	wg      *sync.WaitGroup // the polls; the feed's
	polls   atomic.Int32    // that are kept up
	typical atomic.Int64    // size of a message, by the last poll that brought some
}

func (f *feed) newIntake(q *queue) *intake {
	in := &intake{feed: f, queue: q}
	in.ctx, in.cancel = context.WithCancelCause(f.ctx)
	return in
}

func (in *intake) start(wg *sync.WaitGroup) {
	in.wg = wg
	in.polls.Store(1)
	in.feed.pusher.polls.Add(1)
	wg.Go(in.poll)
}

// poll polls until the intake ends, or there are more polls than bring full answers.
//
// The attempt id stays the same until messages have come: FIFO queues that have been given to an attempt,
// whose answer got lost, are given again to it alone, instead of being locked for a whole lease. Other
// queues may come with them and take their place in the answer, so an attempt of which an answer got lost
// is over only when there was room left in one. Until then it goes on when what it brought is settled: a
// server gives again what is not, and the receipts that it gave before are void.
func (in *intake) poll() {
	defer in.feed.pusher.polls.Add(-1)
	throttled, trouble := newBackoff(firstThrottled, lastThrottled), newBackoff(firstTrouble, lastTrouble)
	attempt, lost := rand.Text(), false
	for in.ctx.Err() == nil {
		asked, got, arrived, err := in.once(attempt)
		if in.ctx.Err() != nil {
			return
		}
		if err != nil {
			lost = lost || !errors.Is(err, ErrThrottled)
			in.pause(err, throttled, trouble)
			continue
		}
		throttled.Reset()
		trouble.Reset()
		full := got >= asked
		switch {
		case got > 0 && lost && full && in.feed.pusher.fifo():
			arrived.await(in.ctx)
		case got > 0:
			attempt, lost = rand.Text(), false
		}
		if full {
			in.grow()
		} else if in.shrink() {
			return
		}
	}
}

func newBackoff(first, last time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(first), backoff.WithMaxInterval(last),
		backoff.WithRandomizationFactor(0.2), backoff.WithMaxElapsedTime(0))
}

func (in *intake) pause(err error, throttled, trouble *backoff.ExponentialBackOff) {
	delay := trouble
	if errors.Is(err, ErrThrottled) {
		delay = throttled
	}
	wait := delay.NextBackOff()
	in.feed.pusher.consumer.client.cfg.log.Warn("poll failed, to be tried again", "topic", in.feed.topic,
		"endpoint", in.queue.conn.name, "wait", wait, "error", err)
	_ = pacing.Wait(in.ctx, wait) // cut short, the loop ends
}

// once makes one poll, as soon as there is room. It returns for how many messages it has asked, how many
// have come, and what of them has been put into the cache.
func (in *intake) once(attempt string) (asked, got int, arrived *arrival, err error) {
	p := in.feed.pusher
	batch, await := p.pollSize()
	room, err := p.cache.claim(in.ctx, batch, int(in.typical.Load()))
	if err != nil {
		return 0, 0, nil, err
	}
	asked, err = p.rate.take(in.ctx, room.messages)
	if err != nil {
		p.cache.fill(room, 0, 0)
		return 0, 0, nil, err
	}
	got, deliveries, err := in.receive(asked, await, attempt)
	p.rate.giveBack(asked - got)
	if in.ctx.Err() != nil {
		p.consumer.handBack(deliveries)
		deliveries = nil
	}
	bytes := 0
	for _, d := range deliveries {
		bytes += len(d.Body)
	}
	if n := len(deliveries); n > 0 {
		in.typical.Store(int64(bytes / n))
	}
	p.cache.fill(room, len(deliveries), bytes)
	return asked, got, p.accept(in.feed, deliveries), err
}

// receive makes the request, when the server knows the consumer. It returns how many messages came, and
// those of them that are wanted.
func (in *intake) receive(n int, await time.Duration, attempt string) (int, []*Delivery, error) {
	p := in.feed.pusher
	if err := in.feed.await(in.ctx, in.queue.conn); err != nil {
		return 0, nil, err
	}
	request := &v2.ReceiveMessageRequest{
		Group: p.consumer.group, MessageQueue: in.queue.proto, FilterExpression: in.feed.filter.Load().proto(),
		BatchSize: int32(n), LongPollingTimeout: durationpb.New(await), AttemptId: &attempt,
		AutoRenew: p.cfg.invisible == 0,
	}
	if p.cfg.invisible > 0 {
		request.InvisibleDuration = durationpb.New(p.cfg.invisible)
	}
	got, err := p.consumer.fetch(in.ctx, in.queue, await, request)
	if err != nil && in.ctx.Err() == nil && p.fifo() {
		// The same attempt gets the same messages again, all of them and in order. Those that have
		// come would be in the way then.
		got.deliveries = nil
	}
	came := len(got.deliveries)
	wanted, err := p.consumer.conclude(in.ctx, got, err)
	return came, wanted, err
}

// pollSize returns how many messages to ask for, and how long to wait for them. Polls that wait hold
// room in the cache: none may hold so much that others have none.
func (p *pusher) pollSize() (batch int, await time.Duration) {
	batch, await = defaultBatchSize, defaultLongPolling
	if s := p.consumer.settings.Load(); s != nil {
		if s.ReceiveBatchSize > 0 {
			batch = s.ReceiveBatchSize
		}
		if s.LongPolling > 0 {
			await = s.LongPolling
		}
	}
	share := p.cfg.messages / max(1, int(p.polls.Load()))
	return max(1, min(batch, share)), await
}

// grow adds a poll, if it may and would find room.
func (in *intake) grow() {
	p := in.feed.pusher
	n := in.polls.Load()
	if int(n) >= p.cfg.polls || p.fifo() || !p.cache.hasRoom() || !in.polls.CompareAndSwap(n, n+1) {
		return
	}
	p.polls.Add(1)
	in.wg.Go(in.poll)
}

// shrink says whether a poll is one too many, and takes it off.
func (in *intake) shrink() bool {
	n := in.polls.Load()
	return n > 1 && in.polls.CompareAndSwap(n, n-1)
}
