package client

import (
	"context"
	"errors"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const parallelLiteChanges = 16 // of one consumer, under way at once

// A liteSync tells servers to which lite topics a consumer subscribes: each change to all servers of the
// parent topic; and the list of all to a server that has come to know the consumer, since one whose
// session has ended has forgotten it, and from time to time.
type liteSync struct {
	consumer *consumer
	parent   string

	// places are taken one by a change, and all by the telling of all, for which turn is held: rule 2.
	places chan struct{}
	turn   chan struct{}
}

func newLiteSync(k *consumer, parent string) liteSync {
	return liteSync{consumer: k, parent: parent,
		places: make(chan struct{}, parallelLiteChanges), turn: make(chan struct{}, 1)}
}

// servers returns all servers of the parent topic, when each of them knows the consumer.
func (l *liteSync) servers(ctx context.Context) ([]*conn, error) {
	m := l.consumer.member
	known, r, err := l.consumer.client.routes.get(ctx, l.parent)
	if err != nil {
		return nil, err
	}
	m.use(known)
	return r.conns, onAll(r.conns, func(c *conn) error {
		s := m.session(c)
		if s == nil {
			return closedError("consumer")
		}
		return s.await(ctx)
	})
}

// tellChange tells servers of one change. If all have taken it, told is called before they can be told
// anything that contradicts it.
func (l *liteSync) tellChange(
	ctx context.Context, conns []*conn, action v2.LiteSubscriptionAction, name string, start *v2.OffsetOption,
	told func(),
) error {
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	case <-ctx.Done():
		return l.interrupted(ctx, name)
	}
	op := "subscribe to lite topic"
	if action == v2.LiteSubscriptionAction_PARTIAL_REMOVE {
		op = "unsubscribe from lite topic"
	}
	err := l.tell(ctx, conns, call{op, name}, &v2.SyncLiteSubscriptionRequest{
		Action: action, LiteTopicSet: []string{name}, OffsetOption: start})
	if err == nil {
		told()
	}
	return err
}

// tellAll replaces what servers have by the list, made when no change is under way. If all have taken it,
// told is called before there is one.
func (l *liteSync) tellAll(ctx context.Context, conns []*conn, list func() []string, told func()) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return l.interrupted(ctx, l.parent)
	}
	taken := 0
	defer func() {
		for range taken {
			<-l.places
		}
	}()
	for taken < parallelLiteChanges {
		select {
		case l.places <- struct{}{}:
			taken++
		case <-ctx.Done():
			return l.interrupted(ctx, l.parent)
		}
	}
	err := l.tell(ctx, conns, call{"subscribe to lite topics of", l.parent}, &v2.SyncLiteSubscriptionRequest{
		Action: v2.LiteSubscriptionAction_COMPLETE_ADD, LiteTopicSet: list()})
	if err == nil {
		told()
	}
	return err
}

// tell makes one request to each server. One that is refused for its rate alone is made again: others
// may have been executed, even if the answer says that they failed.
func (l *liteSync) tell(ctx context.Context, conns []*conn, what call, q *v2.SyncLiteSubscriptionRequest) error {
	q.Topic, q.Group = l.consumer.client.resource(l.parent), l.consumer.group
	return onAll(conns, func(c *conn) error {
		pause := newRetryBackoff()
		for attempt := 1; ; attempt++ {
			_, _, err := invoke(ctx, &l.consumer.member.identity, c, what, v2.MessagingServiceClient.SyncLiteSubscription, q)
			if !errors.Is(err, ErrThrottled) || attempt == settleAttempts {
				return err
			}
			_ = pacing.Wait(ctx, pause.NextBackOff()) // cut short, the next attempt says so
		}
	})
}

// interrupted is the error of a call that was waiting for others when ctx ended.
func (l *liteSync) interrupted(ctx context.Context, name string) error {
	return exchange{op: "subscribe to lite topic", target: name, endpoint: l.consumer.client.access.name}.interrupted(ctx)
}

// onAll does something for each server, all at once, and returns all errors.
func onAll(conns []*conn, do func(c *conn) error) error {
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = do(c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
