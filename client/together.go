package client

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

const (
	// maxBatchMessages bounds the messages of one request: more bring nothing, and cost latency.
	maxBatchMessages = 256
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

// do makes the request for jobs that go together, and settles each.
func (p *Producer) do(jobs []*job) {
	jobs = slices.DeleteFunc(jobs, (*job).hasEnded)
	switch len(jobs) {
	case 0:
	case 1:
		j := jobs[0]
		j.settle(p.sendAlone(j.ctx, j.shipment))
	default:
		shipments := make([]*shipment, len(jobs))
		for i, j := range jobs {
			shipments[i] = j.shipment
		}
		ctx, release := common(jobs)
		defer release()
		p.sendTogether(ctx, shipments, func(i int, r Receipt, err error) { jobs[i].settle(r, err) })
	}
}

// common returns the context of a request for several jobs. A caller that gives up is answered at
// once and leaves the others alone; when all have given up, so does the request.
func common(jobs []*job) (context.Context, func()) {
	first := jobs[0].ctx
	if !slices.ContainsFunc(jobs, func(j *job) bool { return j.ctx.Done() != first.Done() }) {
		return first, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var present atomic.Int32
	present.Store(int32(len(jobs)))
	var watches []func() bool
	for _, j := range jobs {
		if j.ctx.Done() == nil {
			continue
		}
		watches = append(watches, context.AfterFunc(j.ctx, func() {
			j.settle(Receipt{}, j.interrupted(nil))
			if present.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, unwatch := range watches {
			unwatch()
		}
		cancel()
	}
}

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
			r, err := p.sendAlone(ctx, s)
			settle(i, r, err)
		default:
			settle(i, Receipt{}, failure)
		}
	}
}

func (p *Producer) sendAlone(ctx context.Context, s *shipment) (Receipt, error) {
	receipts, err := p.transmit(ctx, s)
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
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
