package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// consumers are those of a run.
type consumers struct {
	run    *run
	cancel context.CancelFunc
	wg     sync.WaitGroup
	simple *client.SimpleConsumer

	mu     sync.Mutex // guards failed
	failed []error
}

// errUnwilling is what a handler fails with now and then.
var errUnwilling = errors.New("soak: not this time")

// startConsumers starts a simple consumer, a push consumer and one of a FIFO group.
func (r *run) startConsumers(ctx context.Context) (*consumers, error) {
	simple, err := r.client.NewSimpleConsumer(simpleGroup, map[string]client.Filter{normal: client.All()},
		client.WithAwait(time.Second))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &consumers{run: r, simple: simple, cancel: cancel}
	for range 2 {
		c.wg.Go(func() { c.receive(ctx) })
	}
	// With a lease of its own: an answer that a cut has swallowed is held for as long as its lease lasts,
	// and one that the server renews lasts for hours. On a FIFO group the same attempt gets it again.
	push, err := r.client.NewPushConsumer(pushGroup,
		map[string]client.Filter{normal: client.All(), delayed: client.All(), transacted: client.All()},
		r.handler(pushGroup), client.WithInvisibleDuration(10*time.Second))
	if err == nil {
		c.push(ctx, push)
		push, err = r.client.NewPushConsumer(fifoGroup, map[string]client.Filter{sequenced: client.All()}, r.handler(fifoGroup))
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.push(ctx, push)
	return c, nil
}

func (c *consumers) push(ctx context.Context, consumer *client.PushConsumer) {
	c.wg.Go(func() {
		if err := consumer.Run(ctx); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = append(c.failed, err)
		}
	})
}

// handler fails with one message in a hundred, which then comes again.
func (r *run) handler(group string) client.Handler {
	return func(_ context.Context, m *client.Message) error {
		if rand.IntN(100) == 0 {
			return errUnwilling
		}
		r.ledger.received(group, m.Properties["id"])
		return nil
	}
}

// receive receives and acknowledges until ctx ends.
func (c *consumers) receive(ctx context.Context) {
	for ctx.Err() == nil {
		got, err := c.simple.Receive(ctx, 32, 10*time.Second)
		if err != nil {
			c.run.ledger.explain("receive", err)
			pass(ctx, 100*time.Millisecond)
			continue
		}
		for _, d := range got {
			c.run.ledger.received(simpleGroup, d.Properties["id"])
		}
		if err := c.simple.Ack(ctx, got...); err != nil {
			c.run.ledger.explain("acknowledge", err)
		}
	}
}

// stop ends the consumers and returns what they failed with.
func (c *consumers) stop() error {
	c.cancel()
	c.wg.Wait()
	return errors.Join(append(c.failed, c.simple.Close())...)
}
