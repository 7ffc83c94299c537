package client

import (
	"errors"
	"time"
)

// Defaults of a [PushConsumer].
const (
	DefaultCachedMessages = 4096
	DefaultCachedBytes    = 64 << 20
	DefaultConcurrency    = 20
	DefaultPolls          = 16
	DefaultDrainTimeout   = 30 * time.Second
)

type pushConfig struct {
	sharedConfig
	faults

	messages     int
	bytes        int
	concurrency  int
	polls        int
	invisible    time.Duration // 0: the server renews leases
	explicit     bool          // invisible was set
	drainTimeout time.Duration
	accelerate   bool
}

func newPushConfig(opts []PushOption) (pushConfig, error) {
	c := pushConfig{messages: DefaultCachedMessages, bytes: DefaultCachedBytes, concurrency: DefaultConcurrency,
		polls: DefaultPolls, drainTimeout: DefaultDrainTimeout}
	for _, opt := range opts {
		opt.applyPush(&c)
	}
	report := func(bad bool, option, problem string) {
		if bad {
			c.note(&OptionError{option, problem})
		}
	}
	report(c.messages < 1 || c.bytes < 1, "WithCacheLimit", "both limits must be at least 1")
	report(c.concurrency < 1, "WithConcurrency", "must be at least 1")
	report(c.polls < 1, "WithPolls", "must be at least 1")
	report(c.explicit && (c.invisible < shortestLease || c.invisible > maxInvisible), "WithInvisibleDuration",
		"must be between 10 seconds and 12 hours")
	report(c.drainTimeout <= 0, "WithDrainTimeout", "must be positive")
	return c, errors.Join(c.faults...)
}

// WithCacheLimit bounds what has arrived and is not settled, over all topics and queues: in messages
// and in bytes of bodies. The defaults are [DefaultCachedMessages] and [DefaultCachedBytes]; below 1
// either fails at the constructor. Room is taken before a poll, for as many messages as it may bring;
// how large they are shows only when they arrive, so the last polls may exceed the bytes. What does not
// fit waits in the server, where other consumers of the group can have it. Fewer messages than there
// are brokers make the brokers take turns.
func WithCacheLimit(messages, bytes int) PushOption {
	return pushOption(func(c *pushConfig) { c.messages, c.bytes = messages, bytes })
}

// WithConcurrency sets how many handlers run at once, over all topics. The default is
// [DefaultConcurrency]; below 1 fails at the constructor. On a FIFO group there are never more than
// there are queues, or with [WithFIFOAccelerator] message groups, to consume.
func WithConcurrency(n int) PushOption {
	return pushOption(func(c *pushConfig) { c.concurrency = n })
}

// WithPolls sets how many polls of one broker's share of a topic may be under way at once. There is
// one, and another, up to n, when polls come back full and there is room in the cache. The default is
// [DefaultPolls]; below 1 fails at the constructor. On a FIFO group there is always one.
func WithPolls(n int) PushOption {
	return pushOption(func(c *pushConfig) { c.polls = n })
}

// WithInvisibleDuration sets after how long a message that is not settled comes again: 10 seconds to 12
// hours, other values fail at the constructor. It has to suffice for the wait in the cache, the handler
// and, on a FIFO group, its retries: a message that is past it is not given to a handler any more, and
// cannot be settled. By default the server renews leases for as long as the consumer lives, up to three
// hours, even of a message that was lost on its way here.
//
// A defect of RocketMQ 5.5 in LOCAL mode: it may deliver a message again although it was acknowledged
// after such a renewal, which is due after 50 seconds. Where handlers or their queue take that long, an
// explicit duration avoids it.
func WithInvisibleDuration(d time.Duration) PushOption {
	return pushOption(func(c *pushConfig) { c.invisible, c.explicit = d, true })
}

// WithDrainTimeout bounds the drain at the end of a run: how long handlers under way may go on before
// their contexts end, and settling may be tried again. The default is [DefaultDrainTimeout]; zero or
// less fails at the constructor.
func WithDrainTimeout(d time.Duration) PushOption {
	return pushOption(func(c *pushConfig) { c.drainTimeout = d })
}

// WithFIFOAccelerator consumes the message groups of a FIFO queue beside each other, in order only
// within each; messages without a group are one group in each queue. By default a queue's messages are
// consumed one after the other. After a redelivery, which is of a queue's messages from the first that
// is not settled, those of other groups may come again although they were consumed.
func WithFIFOAccelerator() PushOption {
	return pushOption(func(c *pushConfig) { c.accelerate = true })
}
