package broker

import (
	"context"
	"errors"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// errCutOff ends a receive whose broker has been stopped.
var errCutOff = errors.New("broker: stopped while a receive waited")

// ReceiveMessage hands out messages of the broker that the request names, or of another, the next one
// each time, if there is none of that name.
func (p *proxy) ReceiveMessage(req *v2.ReceiveMessageRequest, stream receiveStream) error {
	b, err := p.source(req.GetMessageQueue().GetBroker().GetName())
	if err == nil {
		err = enter(b)
	}
	if err != nil {
		return refuseReceive(stream, err)
	}
	defer b.barrier.leave()
	s := &brokerStream{receiveStream: stream}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(b.barrier.open, cancel)()
	err = p.at(b).ReceiveMessage(req, s)
	if err != nil && !s.answered && stream.Context().Err() == nil {
		return refuseReceive(stream, refusef(v2.Code_INTERNAL_SERVER_ERROR, "send request to %s failed", b.store.name))
	}
	return err
}

// source gives the broker to receive from.
func (p *proxy) source(name string) (*Broker, error) {
	all := p.cluster.listed()
	for _, b := range all {
		if b.store.name == name {
			return b, nil
		}
	}
	if len(all) == 0 {
		return nil, refuse(v2.Code_INTERNAL_SERVER_ERROR, "there is no broker")
	}
	return all[p.turn.Add(1)%uint32(len(all))], nil
}

// refuseReceive answers a receive with an error.
func refuseReceive(stream receiveStream, err error) error {
	if err := stream.Send(statusFrame(err)); err != nil {
		return err
	}
	return stream.Send(timeFrame())
}

// A brokerStream is a receive as its broker sees it: it ends when the broker does.
type brokerStream struct {
	receiveStream
	ctx      context.Context
	answered bool // the first frame has been sent
}

// Context ends with the call, and with the broker.
func (s *brokerStream) Context() context.Context { return s.ctx }

// Send sends a frame, but not the first of a broker that has been stopped: it has not answered.
func (s *brokerStream) Send(frame *v2.ReceiveMessageResponse) error {
	if !s.answered && s.ctx.Err() != nil {
		return errCutOff
	}
	s.answered = true
	return s.receiveStream.Send(frame)
}
