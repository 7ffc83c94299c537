package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// AckMessage settles deliveries, each at the broker that its receipt handle names.
func (p *proxy) AckMessage(ctx context.Context, req *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	entries, err := p.ack(ctx, req)
	if err != nil {
		return &v2.AckMessageResponse{Status: statusOf(err)}, nil
	}
	all := make([]*v2.Status, len(entries))
	for i, e := range entries {
		all[i] = e.GetStatus()
	}
	return &v2.AckMessageResponse{Status: statuses(all), Entries: entries}, nil
}

func (p *proxy) ack(ctx context.Context, req *v2.AckMessageRequest) ([]*v2.AckMessageResultEntry, error) {
	s, err := p.one()
	if err != nil {
		return nil, err
	}
	all := req.GetEntries()
	if len(all) == 0 {
		return s.ack(ctx, req) // which has words for that
	}
	result := make([]*v2.AckMessageResultEntry, 0, len(all))
	for len(all) > 0 {
		name, n := brokerOf(all[0].GetReceiptHandle()), 1
		for n < len(all) && brokerOf(all[n].GetReceiptHandle()) == name {
			n++
		}
		part, err := p.ackAt(ctx, name, &v2.AckMessageRequest{Group: req.GetGroup(), Topic: req.GetTopic(), Entries: all[:n]})
		if err != nil {
			return nil, err
		}
		result, all = append(result, part...), all[n:]
	}
	return result, nil
}

// ackAt settles deliveries at one broker.
func (p *proxy) ackAt(ctx context.Context, name string, req *v2.AckMessageRequest) ([]*v2.AckMessageResultEntry, error) {
	b, err := p.holder(name)
	if err == nil {
		return ask(ctx, b, req, p.at(b).ack)
	}
	if unwelcome := p.refused(ctx, req, nil); unwelcome != nil {
		return nil, unwelcome
	}
	entries := make([]*v2.AckMessageResultEntry, len(req.GetEntries()))
	for i, e := range req.GetEntries() {
		entries[i] = &v2.AckMessageResultEntry{
			MessageId: e.GetMessageId(), ReceiptHandle: e.GetReceiptHandle(), Status: statusOf(err),
		}
	}
	return entries, nil
}

// holder finds the broker that a receipt handle names, and lets a call into it. A handle that cannot
// be read names none: any broker will say so.
func (p *proxy) holder(name string) (*Broker, error) {
	all := p.cluster.listed()
	for _, b := range all {
		if b.store.name == name || name == "" {
			return b, enter(b)
		}
	}
	return nil, refusef(v2.Code_INVALID_RECEIPT_HANDLE, "cannot find broker %s", name)
}

// brokerOf gives the name of the broker in a receipt handle, "" if it cannot be read.
func brokerOf(text string) string {
	h, err := parseHandle(text)
	if err != nil {
		return ""
	}
	return h.broker
}

// ChangeInvisibleDuration sets when a message is visible again, at the broker that its handle names.
func (p *proxy) ChangeInvisibleDuration(
	ctx context.Context, req *v2.ChangeInvisibleDurationRequest,
) (*v2.ChangeInvisibleDurationResponse, error) {
	b, err := p.holder(brokerOf(req.GetReceiptHandle()))
	if err != nil {
		return &v2.ChangeInvisibleDurationResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).ChangeInvisibleDuration)
}

// ForwardMessageToDeadLetterQueue stores a message in the dead letters of its group, at the broker
// that its handle names.
func (p *proxy) ForwardMessageToDeadLetterQueue(
	ctx context.Context, req *v2.ForwardMessageToDeadLetterQueueRequest,
) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
	b, err := p.holder(brokerOf(req.GetReceiptHandle()))
	if err != nil {
		return &v2.ForwardMessageToDeadLetterQueueResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).ForwardMessageToDeadLetterQueue)
}
