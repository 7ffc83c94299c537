package broker

import (
	"context"
	"errors"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

// ReceiveMessage hands out messages of the broker that the request names, or of another, the next one
// each time, if there is none of that name.
func (p *proxy) ReceiveMessage(req *v2.ReceiveMessageRequest, stream receiveStream) error {
	b, err := p.source(req.GetMessageQueue().GetBroker().GetName())
	if err == nil {
		err = enter(b)
	}
	if err != nil {
		return refuseReceive(stream, p.refused(stream.Context(), req, err))
	}
	defer b.barrier.leave()
	s, end := within(b, stream)
	defer end()
	if err := p.at(b).ReceiveMessage(req, s); !s.cutOff(err) {
		return err
	}
	return refuseReceive(stream, errLost(b))
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

// errLost is said of a broker that was stopped before it had answered.
func errLost(b *Broker) error {
	return refusef(v2.Code_INTERNAL_SERVER_ERROR, "send request to %s failed", b.store.name)
}

// refuseReceive answers a receive with an error.
func refuseReceive(stream receiveStream, err error) error {
	if err := stream.Send(statusFrame(err)); err != nil {
		return err
	}
	return stream.Send(timeFrame())
}

// A brokerStream is a call with several answers as its broker sees it: it ends when the broker does.
type brokerStream[T any] struct {
	grpc.ServerStreamingServer[T]
	ctx      context.Context
	answered bool // the first answer has been sent
}

// within gives the stream of a call as a broker sees it, and what must be called in the end.
func within[T any](b *Broker, stream grpc.ServerStreamingServer[T]) (*brokerStream[T], context.CancelFunc) {
	ctx, cancel := context.WithCancel(stream.Context())
	stop := context.AfterFunc(b.barrier.open, cancel)
	return &brokerStream[T]{ServerStreamingServer: stream, ctx: ctx}, func() {
		stop()
		cancel()
	}
}

// Context ends with the call, and with the broker.
func (s *brokerStream[T]) Context() context.Context { return s.ctx }

// errCutOff keeps a broker that has been stopped from answering.
var errCutOff = errors.New("broker: stopped before it had answered")

// Send sends an answer, unless the broker has been stopped before the first.
func (s *brokerStream[T]) Send(answer *T) error {
	if !s.answered && s.ctx.Err() != nil {
		return errCutOff
	}
	s.answered = true
	return s.ServerStreamingServer.Send(answer)
}

// cutOff tells whether a call has failed because its broker was stopped, with nothing said yet.
func (s *brokerStream[T]) cutOff(err error) bool {
	return err != nil && !s.answered && s.ctx.Err() != nil && s.ServerStreamingServer.Context().Err() == nil
}
