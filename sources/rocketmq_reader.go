package sources

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// rocketMQReader is a consumer of the group, and its pollers.
type rocketMQReader struct {
	source   *RocketMQSource
	consumer *client.SimpleConsumer
	settings client.ConsumerSettings
	acks     acker

	buffer *buffer
	order  *ordered // above the buffer; nil if the group is not FIFO
	queues queueNames
	stop   context.CancelFunc // lets no poll begin
	cut    context.CancelFunc // breaks off polls
	polls  sync.WaitGroup     // the pollers
}

var (
	_ stage.Reader[*client.Message]  = (*rocketMQReader)(nil)
	_ stage.SourceDescriber          = (*rocketMQReader)(nil)
	_ stage.Weigher[*client.Message] = (*rocketMQReader)(nil)
	_ stage.Stocker                  = (*rocketMQReader)(nil)
)

// start starts the pollers; they end with Close.
func (r *rocketMQReader) start() {
	polling, cut := context.WithCancel(context.Background())
	beginning, stop := context.WithCancel(polling)
	r.stop, r.cut = stop, cut
	polls := r.source.cfg.polls
	if r.settings.FIFO {
		r.order = newOrdered(&r.acks, &r.source.cfg)
		r.buffer = r.order.buffer
		polls = 1
	} else {
		r.buffer = newBuffer(r.source.cfg.prefetch, r.source.cfg.prefetchBytes)
	}
	for i := range polls {
		r.polls.Go(func() { r.poll(beginning, polling, i == 0) })
	}
}

// SourceTraits tells what the server lays down for the group.
func (r *rocketMQReader) SourceTraits() stage.SourceTraits {
	t := r.source.SourceTraits()
	t.Keyed = r.settings.FIFO
	for attempt := range max(r.settings.MaxAttempts, 1) {
		t.Redelivery = max(t.Redelivery, min(r.settings.Backoff.Delay(attempt+1), maxInvisible))
	}
	t.Redelivery += t.Lease
	return t
}

// Weigh gives the size of a message's body.
func (r *rocketMQReader) Weigh(m *client.Message) int {
	if m == nil {
		return 0
	}
	return len(m.Body)
}

// Stock tells what was fetched and waits to be read, but for messages of a FIFO group that wait for their
// backoff.
func (r *rocketMQReader) Stock() stage.Stock { return r.buffer.stock() }

// poll fills the buffer until no poll may begin any more, or the topic cannot be polled for good.
func (r *rocketMQReader) poll(beginning, polling context.Context, first bool) {
	for {
		n := r.buffer.reserve(beginning, r.pollSize(), first)
		if n == 0 {
			return
		}
		got, err := r.receive(beginning, polling, n)
		r.buffer.put(n, got)
		if err != nil {
			r.buffer.fail(err) // of a context only when nobody reads any more
			return
		}
	}
}

func (r *rocketMQReader) pollSize() int {
	if n := r.settings.ReceiveBatchSize; n > 0 {
		return min(n, maxPoll)
	}
	return maxPoll
}

// receive makes one poll, and repeats it with backoff while it fails in a way that may pass.
func (r *rocketMQReader) receive(beginning, polling context.Context, n int) ([]*client.Delivery, error) {
	pause := pacing.Forever()
	for {
		got, err := r.consumer.Receive(polling, n, r.source.cfg.invisible)
		switch {
		case err == nil:
			return got, nil
		case beginning.Err() != nil:
			return nil, beginning.Err()
		case !client.Temporary(err):
			return nil, stage.Permanent(err)
		}
		wait := pause.NextBackOff()
		r.source.cfg.log.WarnContext(beginning, "poll failed, to be tried again",
			"topic", r.source.topic, "group", r.source.group, "after", wait, "error", err)
		if pacing.Wait(beginning, wait) != nil {
			return nil, beginning.Err()
		}
	}
}

// Read gives messages, waiting for them if need be. What has been fetched when ctx ends is for the
// next Read, or is handed back by Close.
func (r *rocketMQReader) Read(ctx context.Context) (stage.Batch[*client.Message], error) {
	if err := ctx.Err(); err != nil {
		return stage.Batch[*client.Message]{}, err
	}
	if r.order != nil {
		got, err := r.order.next(ctx)
		if err != nil {
			return stage.Batch[*client.Message]{}, err
		}
		return r.queues.tell(newOrderedReceipts(r.order, got)), nil
	}
	got, err := r.buffer.take(ctx, maxChunk)
	if err != nil {
		return stage.Batch[*client.Message]{}, err
	}
	return r.queues.tell(newReceipts(&r.acks, got).batch(r.source.cfg.invisible)), nil
}

// Close ends the polls, hands back what was fetched and not read, and leaves the group.
func (r *rocketMQReader) Close(ctx context.Context) error {
	r.endPolls(ctx)
	rest := r.buffer.rest()
	if r.order != nil {
		rest = append(rest, r.order.rest()...)
	}
	var l lost
	r.acks.each(rest, &l, func(d *client.Delivery) error { return r.acks.handBack(ctx, d) })
	return errors.Join(l.first(rest), r.consumer.Close())
}

// pollGrace is how long polls may go on that are under way at the end.
const pollGrace = 200 * time.Millisecond

// endPolls lets no poll begin, and breaks off those that wait for messages. One whose answer is on its
// way would leave its messages with nobody until their lease ends, so each gets a little time for it.
func (r *rocketMQReader) endPolls(ctx context.Context) {
	r.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.polls.Wait()
	}()
	grace := time.NewTimer(pollGrace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
	case <-ctx.Done():
	}
	r.cut()
	<-ended
}

// receipts is the messages of one read with their deliveries, which settle them.
type receipts struct {
	acks       *acker
	deliveries []*client.Delivery
}

func newReceipts(a *acker, deliveries []*client.Delivery) *receipts {
	return &receipts{acks: a, deliveries: deliveries}
}

// batch leaves, of a lease, the time that an acknowledgement may take.
func (r *receipts) batch(invisible time.Duration) stage.Batch[*client.Message] {
	b := stage.Batch[*client.Message]{Values: make([]*client.Message, len(r.deliveries)), Info: r.info, Settler: r}
	for i, d := range r.deliveries {
		b.Values[i] = d.Message
		if d.Err != nil {
			b.Faults = append(b.Faults, stage.Fault{Index: i, Err: d.Err, Raw: d.Body})
		}
		if e := d.Expires(); b.Expires.IsZero() || e.Before(b.Expires) {
			b.Expires = e
		}
	}
	b.Expires = b.Expires.Add(-min(invisible/20, 5*time.Second))
	return b
}

func (r *receipts) info(i int) stage.Info {
	m := r.deliveries[i].Message
	return stage.Info{
		ID: m.ID, Key: m.MessageGroup, Attempt: m.Attempt,
		EventTime: m.BornTime, TraceContext: m.TraceContext,
	}
}
