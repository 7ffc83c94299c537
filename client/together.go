package client

import (
	"context"
	"errors"
)

const (
	// maxBatchMessages bounds the messages of one request: more bring nothing, and cost latency.
	maxBatchMessages = 128
	// batchShare is how much of the server's limit for one body a whole batch may fill, in percent.
	// The server encodes the batch into one such body, with fields of its own.
	batchShare = 90
)

// fitting returns how many of the messages fit into one request; at least one.
func (p *Producer) fitting(shipments []*shipment) int {
	room := p.room()
	for n, s := range shipments {
		room -= storedSize(s.first())
		if n == maxBatchMessages || (n > 0 && room < 0) {
			return n
		}
	}
	return len(shipments)
}

// room is what the messages of one request may take in the server, in bytes.
func (p *Producer) room() int { return p.settings.Load().maxBody / 100 * batchShare }

// sendTogether sends NORMAL messages of one topic in one request, and settles each by its index. If
// the server refuses the request for what may be the fault of one of them, each is sent by itself, so
// that one does not take the others along.
func (p *Producer) sendTogether(ctx context.Context, shipments []*shipment, settle func(i int, r Receipt, err error)) {
	all := &shipment{publication: shipments[0].publication, items: make([]*outgoing, len(shipments))}
	for i, s := range shipments {
		all.items[i] = s.items[0]
	}
	receipts, err := p.transmit(ctx, all)
	var partial *partialError
	errors.As(err, &partial)
	alone := err != nil && partial == nil && len(shipments) > 1 && blamesMessage(err)
	for i, s := range shipments {
		failure := err
		if partial != nil {
			failure = partial.failed[i]
		}
		switch {
		case failure == nil:
			settle(i, receipts[i], nil)
		case alone || (partial != nil && retryable(failure)):
			s.items[0] = s.items[0].again()
			p.sendAlone(ctx, s, func(r Receipt, err error) { settle(i, r, err) })
		default:
			settle(i, Receipt{}, failure)
		}
	}
}

func (p *Producer) sendAlone(ctx context.Context, s *shipment, settle func(Receipt, error)) {
	receipts, err := p.transmit(ctx, s)
	if err != nil {
		settle(Receipt{}, err)
		return
	}
	settle(receipts[0], nil)
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
