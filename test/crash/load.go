package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

const (
	simpleGroup     = "simple"
	pushGroup       = "push"
	fifoGroup       = "fifo"
	fifoSimpleGroup = "fifo-simple"

	lease = 10 * time.Second // of what is received, the least that there is
	back  = 2 * time.Second  // from its end to the redelivery
)

func readers() map[string]*reader {
	return map[string]*reader{
		simpleGroup: {topic: ordinary}, pushGroup: {topic: ordinary},
		fifoGroup: {topic: ordered, ordered: true}, fifoSimpleGroup: {topic: ordered, ordered: true},
	}
}

// A load is producers and consumers, which go on whenever there is a broker.
type load struct {
	book     *ledger
	client   *client.Client
	producer *client.Producer

	endSending   context.CancelFunc
	endReceiving context.CancelFunc
	sending      sync.WaitGroup
	receiving    sync.WaitGroup

	mu     sync.Mutex // guards failed
	failed error
}

// startLoad starts it, and returns when each group has received something: before that a broker need
// not keep anything for it.
func startLoad(ctx context.Context, s *server, book *ledger) (*load, error) {
	l := &load{book: book}
	c, err := client.New(endpoint, client.WithPlaintext(), client.WithDialer(s.dial), client.WithLogger(s.options.Log),
		client.WithInterceptors(client.Interceptor{Receive: l.received, Settle: l.settling}))
	if err != nil {
		return nil, err
	}
	l.client = c
	receiving, endReceiving := context.WithCancel(ctx)
	sending, endSending := context.WithCancel(ctx)
	l.endReceiving, l.endSending = endReceiving, endSending
	// One attempt: a second one would store a message twice whose first was stored and not answered.
	l.producer, err = c.NewProducer(client.WithMaxAttempts(1))
	if err == nil {
		err = l.consume(receiving)
	}
	if err != nil {
		return nil, errors.Join(err, l.stop())
	}
	l.produce(sending, s.options.Seed)
	if err := book.awaitReaders(ctx); err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

// stop ends all, and returns what consumers have failed with.
func (l *load) stop() error {
	l.endSending()
	l.sending.Wait()
	l.endReceiving()
	l.receiving.Wait()
	return errors.Join(l.failed, l.client.Close())
}

// produce sends until ctx ends.
func (l *load) produce(ctx context.Context, seed uint64) {
	for i := range 10 {
		topic, size := ordinary, 1
		switch {
		case i >= 6:
			topic = ordered
		case i >= 4:
			size = 5
		}
		die, sequence := rand.New(rand.NewPCG(seed, uint64(i+1))), l.book.sequence(topic)
		l.sending.Go(func() {
			for ctx.Err() == nil {
				pass(ctx, time.Duration(die.IntN(2000))*time.Microsecond)
				l.send(sequence, topic, 1+die.IntN(size), die)
			}
		})
	}
}

// send sends messages of a sequence.
func (l *load) send(sequence int, topic string, n int, die *rand.Rand) {
	all, messages := make([]letter, n), make([]*client.Message, n)
	for i := range all {
		all[i] = l.book.sending(sequence)
		messages[i] = &client.Message{
			Topic: topic, Body: make([]byte, 1+die.IntN(8000)),
			Properties: map[string]string{"letter": fmt.Sprintf("%d/%d", all[i].sequence, all[i].number)},
		}
		if topic == ordered {
			messages[i].MessageGroup = fmt.Sprint("sequence", sequence)
		}
	}
	// It does not end with the load: what comes of it is to be known.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if n == 1 {
		_, err = l.producer.Send(ctx, messages[0])
	} else {
		_, err = l.producer.SendBatch(ctx, messages)
	}
	var partly *client.BatchError
	for i, at := range all {
		failure := err
		if errors.As(err, &partly) {
			failure = partly.Errors[i]
		}
		l.book.sent(at, failure)
	}
}

// letterOf reads which message one is.
func letterOf(m *client.Message) letter {
	at := letter{-1, -1}
	_, _ = fmt.Sscanf(m.Properties["letter"], "%d/%d", &at.sequence, &at.number) // else it is none that was sent
	return at
}

// received is called with each message that arrives.
func (l *load) received(_ context.Context, group string, m *client.Message) bool {
	l.book.received(group, letterOf(m), m.Attempt)
	return true
}

// settling is called before a message is settled, and gives what is called afterwards.
func (l *load) settling(_ context.Context, group string, m *client.Message, action client.Action) func(error) {
	if action != client.ActionAck {
		return nil
	}
	at := letterOf(m)
	l.book.acking(group, at)
	return func(err error) {
		if err == nil {
			l.book.acked(group, at)
		}
	}
}

// consume starts all consumers, which end with ctx.
func (l *load) consume(ctx context.Context) error {
	for group, topic := range map[string]string{simpleGroup: ordinary, fifoSimpleGroup: ordered} {
		c, err := l.client.NewSimpleConsumer(group, map[string]client.Filter{topic: client.All()}, client.WithAwait(5*time.Second))
		if err != nil {
			return err
		}
		for range 2 {
			l.receiving.Go(func() { l.receive(ctx, c) })
		}
	}
	// What is in an answer that gets lost is held until its lease ends, which without an end of its own is
	// after hours. On a FIFO group the same attempt gets it again.
	push, err := l.client.NewPushConsumer(pushGroup, map[string]client.Filter{ordinary: client.All()}, handler(), client.WithInvisibleDuration(lease))
	if err != nil {
		return err
	}
	fifo, err := l.client.NewPushConsumer(fifoGroup, map[string]client.Filter{ordered: client.All()}, handler())
	if err != nil {
		return err
	}
	for _, c := range []*client.PushConsumer{push, fifo} {
		l.receiving.Go(func() {
			if err := c.Run(ctx); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.failed = errors.Join(l.failed, err)
			}
		})
	}
	return nil
}

// errUnwilling is what a handler fails with now and then.
var errUnwilling = errors.New("crash: not this time")

// handler fails with one message in two hundred, which then comes again.
func handler() client.Handler {
	return func(context.Context, *client.Message) error {
		if rand.IntN(200) == 0 {
			return errUnwilling
		}
		return nil
	}
}

// receive receives and acknowledges until ctx ends.
func (l *load) receive(ctx context.Context, c *client.SimpleConsumer) {
	for ctx.Err() == nil {
		got, err := c.Receive(ctx, 16, lease)
		if err != nil {
			pass(ctx, 20*time.Millisecond) // the broker has gone
			continue
		}
		l.acknowledge(ctx, c, got)
	}
}

// acknowledge tries until all is acknowledged, or comes again: also a broker that is started later
// knows what this one has handed out.
func (l *load) acknowledge(ctx context.Context, c *client.SimpleConsumer, all []*client.Delivery) {
	for len(all) > 0 && ctx.Err() == nil {
		err := c.Ack(ctx, all...)
		var failed *client.AckError
		if !errors.As(err, &failed) {
			return
		}
		all = nil
		for _, f := range failed.Failed {
			if !errors.Is(f.Err, client.ErrReceiptExpired) {
				all = append(all, f.Delivery)
			}
		}
		pass(ctx, 20*time.Millisecond)
	}
}

// settle stops sending, and waits until all that was sent has been received, and for as long as it takes
// for what was acknowledged to come again, if it did.
func (l *load) settle(ctx context.Context) error {
	l.endSending()
	l.sending.Wait()
	missing := l.book.missing()
	for deadline := time.Now().Add(patience); len(missing) > 0 && time.Now().Before(deadline) && ctx.Err() == nil; {
		pass(ctx, 100*time.Millisecond)
		missing = l.book.missing()
	}
	l.book.lost(missing)
	pass(ctx, lease+back+time.Second)
	return ctx.Err()
}
