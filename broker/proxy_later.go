package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// EndTransaction commits or rolls back a transaction at the broker that has its message. Only the
// proxy through which the message was sent, or its producer was asked, knows of it.
func (p *proxy) EndTransaction(
	ctx context.Context, req *v2.EndTransactionRequest,
) (*v2.EndTransactionResponse, error) {
	_, err := p.one()
	for _, b := range p.cluster.listed() {
		if err = p.endAt(ctx, b, req); statusOf(err).GetCode() != v2.Code_INTERNAL_SERVER_ERROR {
			break // all else is "not here"
		}
	}
	return &v2.EndTransactionResponse{Status: statusOf(err)}, nil
}

// endAt ends a transaction at a broker. If that has been stopped the client is not told, as the server
// does not wait for the broker: it is as though the transaction had been left open.
func (p *proxy) endAt(ctx context.Context, b *Broker, req *v2.EndTransactionRequest) error {
	if b.barrier.enter() {
		_, err := ask(ctx, b, req, func(ctx context.Context, req *v2.EndTransactionRequest) (struct{}, error) {
			return struct{}{}, p.at(b).endTransaction(ctx, req)
		})
		return err
	}
	return p.at(b).endTransaction(ctx, &v2.EndTransactionRequest{
		Topic: req.GetTopic(), TransactionId: req.GetTransactionId(), Source: req.GetSource(),
	})
}

// RecallMessage takes back a message that waits for its time, at the broker that its handle names.
func (p *proxy) RecallMessage(
	ctx context.Context, req *v2.RecallMessageRequest,
) (*v2.RecallMessageResponse, error) {
	b, err := p.keeper(req.GetRecallHandle())
	if err != nil {
		return &v2.RecallMessageResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).RecallMessage)
}

// keeper finds the broker that a recall handle names, or any if it cannot be read, which will say so,
// and lets a call into it.
func (p *proxy) keeper(handle string) (*Broker, error) {
	h, unreadable := parseRecallHandle(handle)
	for _, b := range p.cluster.listed() {
		if unreadable != nil || b.store.name == h.broker {
			return b, enter(b)
		}
	}
	return nil, refusef(v2.Code_BAD_REQUEST, "cannot find broker %s", h.broker)
}

// SyncLiteSubscription tells every broker that can be reached what a client says of its lite topics.
// One that cannot hears of them when the client says so again, as it does from time to time.
func (p *proxy) SyncLiteSubscription(
	ctx context.Context, req *v2.SyncLiteSubscriptionRequest,
) (*v2.SyncLiteSubscriptionResponse, error) {
	err := refuse(v2.Code_INTERNAL_SERVER_ERROR, "no broker can be reached")
	for _, b := range p.cluster.listed() {
		if !b.barrier.enter() {
			continue
		}
		if _, err = ask(ctx, b, req, func(ctx context.Context, req *v2.SyncLiteSubscriptionRequest) (struct{}, error) {
			return struct{}{}, p.at(b).syncLite(ctx, req)
		}); err != nil {
			break
		}
	}
	return &v2.SyncLiteSubscriptionResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
}
