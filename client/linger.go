package client

import "time"

// WithLinger lets a message of [Producer.Send] or [Producer.SendAsync] wait up to d for others to share
// its request. The default is 0: messages then wait only while several requests of their topic are under
// way, and not for long. A request that is full leaves at once, and so does all that waits when
// [Producer.Flush] or [Producer.Close] is called. Less than 0 fails.
//
// It gives larger and fewer requests under a light load, at the price of d in latency. Messages share
// a request if they are NORMAL, not compressed, and of one topic.
func WithLinger(d time.Duration) ProducerOption {
	return func(c *producerConfig) { c.linger = d }
}

// WithoutBatching gives every message a request of its own. The default is that those waiting
// together share one, which is faster but has two prices with present servers: the offset of only one
// of them is known, and an attempt that is repeated because its answer got lost may store all of them
// twice.
func WithoutBatching() ProducerOption {
	return func(c *producerConfig) { c.unbatched = true }
}
