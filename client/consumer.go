package client

import (
	"context"
	"sync"
	"sync/atomic"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A consumer is what all kinds of consumers have in common: a member of a group, and the settling of
// what has been delivered to it.
type consumer struct {
	client   *Client
	member   *member
	group    *v2.Resource
	lite     bool                             // it consumes lite topics, and its requests name them
	settings atomic.Pointer[ConsumerSettings] // stored by the sessions; nil until the first answer
	polls    context.Context                  // ended by close, which so ends polls, and retries of all else
	endPolls context.CancelCauseFunc

	mu      sync.Mutex // guards what follows
	closed  bool
	pending sync.WaitGroup // calls under way and what they leave behind; begins no more once closed is set
	done    chan struct{}  // closed when close is through
}

func (c *Client) newConsumer(kind v2.ClientType, group string) *consumer {
	k := &consumer{client: c, member: c.newMember(kind), group: c.resource(group), done: make(chan struct{})}
	k.member.group = k.group
	k.member.adopt = func(s *v2.Settings) { k.settings.Store(consumerSettingsOf(s)) }
	k.polls, k.endPolls = context.WithCancelCause(context.Background())
	return k
}

// begin registers a call, which close then waits for.
func (c *consumer) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return closedError("consumer")
	}
	c.pending.Add(1)
	return nil
}

// maxDeliveries is the group's; 0 as long as the server has not said.
func (c *consumer) maxDeliveries() int {
	if s := c.settings.Load(); s != nil {
		return s.MaxAttempts
	}
	return 0
}

func (c *consumer) close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if !first {
		<-c.done
		return
	}
	c.endPolls(closedError("consumer"))
	c.pending.Wait() // the polls hand back what they have fetched while the server still knows us
	c.member.close()
	close(c.done)
}

// liteTopicOf is what requests about a delivery are to name besides. A consumer of the parent topic as a
// whole must not: the server would look for the message where that consumer never got it.
func (c *consumer) liteTopicOf(d *Delivery) *string {
	if !c.lite {
		return nil
	}
	return &d.origin.liteTopic
}
