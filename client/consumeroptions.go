package client

import (
	"errors"
	"time"
)

// ConsumerOption adjusts a consumer that asks for messages: a [SimpleConsumer] or a [LiteSimpleConsumer].
type ConsumerOption interface {
	LiteSimpleOption
	applySimple(c *simpleConfig)
}

// PushOption adjusts a consumer that is given a [Handler]: a [PushConsumer] or a [LitePushConsumer].
type PushOption interface {
	LitePushOption
	applyPush(c *pushConfig)
}

// AnyConsumerOption adjusts a consumer of either kind.
type AnyConsumerOption interface {
	ConsumerOption
	PushOption
}

type simpleOption func(*simpleConfig)

func (o simpleOption) applySimple(c *simpleConfig) { o(c) }

type pushOption func(*pushConfig)

func (o pushOption) applyPush(c *pushConfig) { o(c) }

// sharedConfig is what both kinds of consumers can be told.
type sharedConfig struct {
	rate float64 // messages a second; 0 for no limit
}

// sharedOption reports a value that cannot be by an error.
type sharedOption func(*sharedConfig) error

func (o sharedOption) applySimple(c *simpleConfig) { c.note(o(&c.sharedConfig)) }
func (o sharedOption) applyPush(c *pushConfig)     { c.note(o(&c.sharedConfig)) }

// faults gathers what is wrong with options.
type faults []error

func (f *faults) note(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

type simpleConfig struct {
	sharedConfig
	faults

	await time.Duration
}

func newSimpleConfig(opts []ConsumerOption) (simpleConfig, error) {
	c := simpleConfig{await: DefaultAwait}
	for _, opt := range opts {
		opt.applySimple(&c)
	}
	if c.await <= 0 {
		c.note(&OptionError{"WithAwait", "must be positive"})
	}
	return c, errors.Join(c.faults...)
}

// WithReceiveRate bounds how many messages a second are received, on average: a poll waits until some
// may come, and asks for no more than that. After a lull up to a tenth of a second's worth comes at
// once. The default is no limit; zero, less, or not a number fails at the constructor. What is held up
// waits in the server, where other consumers of the group can have it.
func WithReceiveRate(messagesPerSecond float64) AnyConsumerOption {
	return sharedOption(func(c *sharedConfig) error {
		if !(messagesPerSecond > 0) {
			return &OptionError{"WithReceiveRate", "must be positive"}
		}
		c.rate = messagesPerSecond
		return nil
	})
}
