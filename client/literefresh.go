package client

import (
	"context"
	"time"
)

// liteSyncPeriod is how often servers are told all that a consumer subscribes to. They forget a consumer
// of which they have heard nothing of the kind for three minutes.
const liteSyncPeriod = 30 * time.Second

// start begins to run, unless the consumer is closed already.
func (l *liteTopics) start() error {
	if err := l.consumer.begin(); err != nil {
		return err
	}
	go l.run() // ended by the closing of the consumer, which waits for it
	return nil
}

// run tells all servers everything from time to time.
func (l *liteTopics) run() {
	defer l.consumer.pending.Done()
	ticker := time.NewTicker(liteSyncPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.refresh(l.consumer.polls)
		case <-l.consumer.polls.Done():
			return
		}
	}
}

// refresh tells all servers everything. After that no lite topic is doubtful: servers that do not know
// the consumer will be told when they do.
func (l *liteTopics) refresh(ctx context.Context) {
	conns := l.consumer.member.liveConns()
	if len(conns) == 0 {
		return
	}
	l.report(ctx, l.tellAll(ctx, conns, l.wanted, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		clear(l.doubtful)
	}))
}

// acquaint tells a server everything that has just come to know the consumer.
func (l *liteTopics) acquaint(ctx context.Context, c *conn) {
	l.report(ctx, l.tellAll(ctx, []*conn{c}, l.wanted, func() {}))
}

func (l *liteTopics) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.consumer.client.cfg.log.Warn("lite topics not made known to all servers, to be tried again",
			"topic", l.parent, "client", l.consumer.member.id, "error", err)
	}
}
