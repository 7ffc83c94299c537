package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// SendBatch sends messages of one topic and returns when all are stored, or have failed. NORMAL
// messages go many to a request, which is much faster than one by one; those of other types, those
// that are compressed, and all if the producer is [WithoutBatching] go one by one, in the order given.
//
// The receipts are in the order of the messages. If some failed, the error is a [*BatchError] that
// says which; the receipts of the others are valid. After a failed message the later ones of its
// message group are not sent, so that order is kept, and fail with [ErrNotSent]. Any other error means
// that nothing was sent. When ctx ends, what has not been answered is a failure, and may be stored.
func (p *Producer) SendBatch(ctx context.Context, messages []*Message) ([]Receipt, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	if err := p.begin(); err != nil {
		return nil, err
	}
	defer p.pending.Done()
	b := &batch{producer: p, messages: messages, receipts: make([]Receipt, len(messages)), failed: make(map[int]error)}
	b.observe(ctx)
	if err := b.prepare(ctx); err != nil {
		b.observed(err)
		return nil, err
	}
	b.send(ctx)
	b.observed(nil)
	if len(b.failed) > 0 {
		return b.receipts, &BatchError{Errors: b.failed, Size: len(messages)}
	}
	return b.receipts, nil
}

// A batch is one call of SendBatch.
type batch struct {
	producer  *Producer
	messages  []*Message
	shipments []*shipment // one for each message; nil if it is refused
	receipts  []Receipt
	failed    map[int]error
	sendings  []sending // one for each message, if anybody observes
}

// observe replaces the messages by what interceptors make of them.
func (b *batch) observe(ctx context.Context) {
	o := b.producer.client.observer
	if o == nil {
		return
	}
	b.messages, b.sendings = slices.Clone(b.messages), make([]sending, len(b.messages))
	for i, m := range b.messages {
		changed, s, err := o.send(ctx, b.producer.member, m)
		if err != nil {
			b.failed[i] = err
			continue
		}
		b.messages[i], b.sendings[i] = changed, s
	}
}

// observed tells what became of the messages; an err is that of all.
func (b *batch) observed(err error) {
	for i, s := range b.sendings {
		s.end(b.receipts[i], cmp.Or(err, b.failed[i]))
	}
}

func (b *batch) prepare(ctx context.Context) error {
	b.shipments = make([]*shipment, len(b.messages))
	for i, m := range b.messages {
		if m == nil {
			return illegal(nil, "batch", "message %d is nil", i)
		}
		if m.Topic != b.messages[0].Topic {
			return illegal(nil, "batch", "message %d is for topic %q, the first for %q: send them separately",
				i, m.Topic, b.messages[0].Topic)
		}
	}
	for i, m := range b.messages {
		if b.failed[i] != nil {
			continue
		}
		s, err := b.producer.prepare(ctx, m)
		switch {
		case err == nil:
			b.shipments[i] = s
		case isArgument(err):
			b.failed[i] = err
		default:
			return err // about the topic, so of all messages
		}
	}
	return nil
}

func isArgument(err error) bool {
	var argument *ArgumentError
	return errors.As(err, &argument)
}

// send sends together what may go together, and the others singly, in order.
func (b *batch) send(ctx context.Context) {
	var shared []int
	broken := make(map[string]int) // message group to the index of its first failure
	for i, s := range b.shipments {
		switch {
		case s == nil:
			if group := b.messages[i].MessageGroup; group != "" {
				b.breakGroup(broken, group, i)
			}
		case !s.alone:
			shared = append(shared, i)
		default:
			b.sendInOrder(ctx, broken, i)
		}
	}
	b.sendTogether(ctx, shared)
}

func (b *batch) breakGroup(broken map[string]int, group string, i int) {
	if _, known := broken[group]; !known {
		broken[group] = i
	}
}

// sendInOrder sends a message that goes by itself, unless an earlier one of its group has failed.
func (b *batch) sendInOrder(ctx context.Context, broken map[string]int, i int) {
	group := b.messages[i].MessageGroup
	if earlier, bad := broken[group]; bad && group != "" {
		b.failed[i] = fmt.Errorf("client: %w: message %d of the same message group %q failed before it",
			ErrNotSent, earlier, group)
		return
	}
	r, err := b.producer.sendInTurn(ctx, b.shipments[i])
	b.settle(i, r, err)
	if err != nil && group != "" {
		b.breakGroup(broken, group, i)
	}
}

func (b *batch) settle(i int, r Receipt, err error) {
	if err != nil {
		b.failed[i] = err
		return
	}
	b.receipts[i] = r
}

// sendTogether sends messages in as few requests as they fit into.
func (b *batch) sendTogether(ctx context.Context, indexes []int) {
	shipments := make([]*shipment, len(indexes))
	for n, i := range indexes {
		shipments[n] = b.shipments[i]
	}
	for len(shipments) > 0 {
		n := b.producer.fitting(shipments)
		part := indexes[:n]
		b.producer.sendTogether(ctx, shipments[:n], func(at int, r Receipt, err error) { b.settle(part[at], r, err) })
		shipments, indexes = shipments[n:], indexes[n:]
	}
}
