package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// owner finds the broker of a queue that is read by offset, and lets a call into it. Where that is not
// an option any broker will say so.
func (p *proxy) owner(q *v2.MessageQueue) (*Broker, error) {
	name := q.GetBroker().GetName()
	for _, b := range p.cluster.listed() {
		if b.store.name == name || !b.pulling {
			return b, enter(b)
		}
	}
	return nil, refusef(v2.Code_BAD_REQUEST, "cannot find broker %s", name)
}

// PullMessage reads one queue of the broker that the request names.
func (p *proxy) PullMessage(req *v2.PullMessageRequest, stream pullStream) error {
	b, err := p.owner(req.GetMessageQueue())
	if err != nil {
		return stream.Send(pullStatus(p.refused(stream.Context(), req, err)))
	}
	defer b.barrier.leave()
	s, end := within(b, stream)
	defer end()
	if err := p.at(b).PullMessage(req, s); !s.cutOff(err) {
		return err
	}
	return stream.Send(pullStatus(errLost(b)))
}

// UpdateOffset notes how far a group has come with a queue, at the broker of the queue.
func (p *proxy) UpdateOffset(ctx context.Context, req *v2.UpdateOffsetRequest) (*v2.UpdateOffsetResponse, error) {
	b, err := p.owner(req.GetMessageQueue())
	if err != nil {
		return &v2.UpdateOffsetResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).UpdateOffset)
}

// GetOffset tells how far a group has come with a queue, at the broker of the queue.
func (p *proxy) GetOffset(ctx context.Context, req *v2.GetOffsetRequest) (*v2.GetOffsetResponse, error) {
	b, err := p.owner(req.GetMessageQueue())
	if err != nil {
		return &v2.GetOffsetResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).GetOffset)
}

// QueryOffset tells an offset of a queue, at the broker of the queue.
func (p *proxy) QueryOffset(ctx context.Context, req *v2.QueryOffsetRequest) (*v2.QueryOffsetResponse, error) {
	b, err := p.owner(req.GetMessageQueue())
	if err != nil {
		return &v2.QueryOffsetResponse{Status: statusOf(p.refused(ctx, req, err))}, nil
	}
	return ask(ctx, b, req, p.at(b).QueryOffset)
}
