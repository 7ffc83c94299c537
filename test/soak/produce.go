package soak

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// fateProperty tells the checker what is to become of a transaction.
const (
	fateProperty = "fate"
	committed    = "committed"
	undone       = "undone"
)

// decide tells what is to become of a transaction that was not ended, or whose end got lost.
func decide(_ context.Context, m *client.Message) client.Resolution {
	if m.Properties[fateProperty] == committed {
		return client.ResolutionCommit
	}
	return client.ResolutionRollback
}

// produce sends in all ways there are until ctx ends.
func (r *run) produce(ctx context.Context, p *client.Producer) {
	var wg sync.WaitGroup
	every := func(d time.Duration, send func(id string)) {
		wg.Go(func() {
			ticker := time.NewTicker(d)
			defer ticker.Stop()
			for n := 0; ; n++ {
				select {
				case <-ticker.C:
					send(fmt.Sprintf("%v-%d", d, n))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	s := &sender{r, p}
	for range 4 { // beside each other, so that some go together
		wg.Go(func() { s.steadily(ctx) })
	}
	every(5*time.Millisecond, s.async)
	every(7*time.Millisecond, s.inOrder)
	every(110*time.Millisecond, s.batch)
	every(50*time.Millisecond, s.later)
	every(70*time.Millisecond, s.transaction)
	wg.Wait()
}

// A sender sends in the different ways. What it sends does not end with the run, so that its fate is
// known.
type sender struct {
	*run
	producer *client.Producer
}

func background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

var both = []string{simpleGroup, pushGroup}

// steadily sends one message after the other.
func (s *sender) steadily(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("sync-%p-%d", &n, n)
		s.ledger.sending(id, both...)
		limited, cancel := background()
		_, err := s.producer.Send(limited, message(normal, id))
		cancel()
		s.ledger.sent(id, err, both...)
		pass(ctx, 5*time.Millisecond)
	}
}

func message(topic, id string) *client.Message {
	return &client.Message{Topic: topic, Body: make([]byte, 256), Properties: map[string]string{"id": id}}
}

func (s *sender) async(id string) {
	id = "async-" + id
	s.ledger.sending(id, both...)
	s.producer.SendAsync(context.Background(), message(normal, id), func(_ client.Receipt, err error) {
		s.ledger.sent(id, err, both...)
	})
}

// inOrder sends to a few message groups.
func (s *sender) inOrder(id string) {
	id = "fifo-" + id
	m := message(sequenced, id)
	m.MessageGroup = "group" + id[len(id)-1:]
	s.ledger.sending(id, fifoGroup)
	s.producer.SendAsync(context.Background(), m, func(_ client.Receipt, err error) { s.ledger.sent(id, err, fifoGroup) })
}

func (s *sender) batch(id string) {
	var messages []*client.Message
	var ids []string
	for i := range 10 {
		ids = append(ids, fmt.Sprintf("batch-%s-%d", id, i))
		messages = append(messages, message(normal, ids[i]))
		s.ledger.sending(ids[i], both...)
	}
	ctx, cancel := background()
	defer cancel()
	_, err := s.producer.SendBatch(ctx, messages)
	var partly *client.BatchError
	for i := range ids {
		failure := err
		if errors.As(err, &partly) {
			failure = partly.Errors[i]
		}
		s.ledger.sent(ids[i], failure, both...)
	}
}

func (s *sender) later(id string) {
	id = "later-" + id
	m := message(delayed, id)
	m.DeliveryTime = time.Now().Add(2 * time.Second)
	s.ledger.sending(id, pushGroup)
	ctx, cancel := background()
	defer cancel()
	_, err := s.producer.Send(ctx, m)
	s.ledger.sent(id, err, pushGroup)
}

// transaction sends one that is committed, rolled back, or left to the checker to commit, in turn.
func (s *sender) transaction(id string) {
	id = "transaction-" + id
	m := message(transacted, id)
	kind := int(id[len(id)-1]-'0') % 3
	m.Properties[fateProperty] = committed
	if kind == 1 {
		m.Properties[fateProperty] = undone
		s.ledger.rolledBack(id)
	} else {
		s.ledger.sending(id, pushGroup)
	}
	ctx, cancel := background()
	defer cancel()
	tx, err := s.producer.BeginTransaction()
	if err == nil {
		_, err = tx.Send(ctx, m)
	}
	if kind != 1 {
		s.ledger.sent(id, err, pushGroup)
	} else if err != nil {
		s.ledger.explain("send", err)
	}
	if err != nil {
		return
	}
	switch kind {
	case 0:
		err = tx.Commit(ctx)
	case 1:
		err = tx.Rollback(ctx)
	}
	if err != nil {
		s.ledger.explain("end a transaction", err)
	}
}
