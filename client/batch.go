package client

import (
	"context"
	"errors"
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// maxBatchMessages bounds the messages of one request: more bring nothing, and cost latency.
	maxBatchMessages = 128
	// batchShare is how much of the server's limit for one body a whole batch may fill, in percent.
	// The server encodes the batch into one such body, with fields of its own.
	batchShare = 90
)

// SendBatch sends messages of one topic and returns when all are stored, or have failed. NORMAL
// messages go many to a request, which is much faster than one by one; those with a message group or
// a delivery time go one by one, in the order given.
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
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	b.send(ctx)
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

// send sends NORMAL messages together and the others singly, in order.
func (b *batch) send(ctx context.Context) {
	var normal []int
	broken := make(map[string]int) // message group to the index of its first failure
	for i, s := range b.shipments {
		switch {
		case s == nil:
			if group := b.messages[i].MessageGroup; group != "" {
				b.breakGroup(broken, group, i)
			}
		case typeOf(s.first()) == v2.MessageType_NORMAL:
			normal = append(normal, i)
		default:
			b.sendInOrder(ctx, broken, i)
		}
	}
	for len(normal) > 0 {
		n := b.fitting(normal)
		b.sendTogether(ctx, normal[:n])
		normal = normal[n:]
	}
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
	b.sendAlone(ctx, i)
	if b.failed[i] != nil && group != "" {
		b.breakGroup(broken, group, i)
	}
}

func (b *batch) sendAlone(ctx context.Context, i int) {
	receipts, err := b.producer.transmit(ctx, b.shipments[i])
	if err != nil {
		b.failed[i] = err
		return
	}
	delete(b.failed, i)
	b.receipts[i] = receipts[0]
}

// fitting returns how many of the messages fit into one request; at least one.
func (b *batch) fitting(indexes []int) int {
	room := b.producer.settings.Load().maxBody / 100 * batchShare
	for n, i := range indexes {
		room -= storedSize(b.messages[i])
		if n == maxBatchMessages || (n > 0 && room < 0) {
			return n
		}
	}
	return len(indexes)
}

// sendTogether sends NORMAL messages in one request. If the server refuses the request for what may be
// the fault of one of them, each is sent by itself, so that one does not take the others along.
func (b *batch) sendTogether(ctx context.Context, indexes []int) {
	all := &shipment{publication: b.shipments[indexes[0]].publication}
	for _, i := range indexes {
		all.items = append(all.items, b.shipments[i].items...)
	}
	receipts, err := b.producer.transmit(ctx, all)
	var partial *partialError
	switch {
	case err == nil:
		for n, i := range indexes {
			b.receipts[i] = receipts[n]
		}
	case errors.As(err, &partial):
		b.settlePartly(ctx, indexes, receipts, partial)
	case len(indexes) > 1 && blamesMessage(err):
		for _, i := range indexes {
			b.sendAlone(ctx, i)
		}
	default:
		for _, i := range indexes {
			b.failed[i] = err
		}
	}
}

// settlePartly tries once more, by itself, what the server did not store for a reason that may pass.
func (b *batch) settlePartly(ctx context.Context, indexes []int, receipts []Receipt, partial *partialError) {
	for n, i := range indexes {
		switch err := partial.failed[n]; {
		case err == nil:
			b.receipts[i] = receipts[n]
		case retryable(err):
			b.sendAlone(ctx, i)
		default:
			b.failed[i] = err
		}
	}
}

// blamesMessage says whether a refusal may be due to one message among several.
func blamesMessage(err error) bool {
	for _, kind := range []error{
		ErrBadRequest, ErrInternal, ErrBodyTooLarge, ErrBodyEmpty, ErrPropertiesTooLarge, ErrMessageType,
		ErrIllegalTag, ErrIllegalKey, ErrIllegalProperty,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
