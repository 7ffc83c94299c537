package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// QueryRoute tells the queues of a topic, all of them on this broker.
func (s *service) QueryRoute(ctx context.Context, req *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	queues, err := s.route(ctx, req)
	return &v2.QueryRouteResponse{Status: statusOf(err), MessageQueues: queues}, nil
}

func (s *service) route(ctx context.Context, req *v2.QueryRouteRequest) ([]*v2.MessageQueue, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return nil, err
	}
	t, err := s.findTopic(req.GetTopic())
	if err != nil {
		return nil, err
	}
	queues := make([]*v2.MessageQueue, len(t.logs))
	for id := range queues {
		queues[id] = s.messageQueue(req.GetTopic(), t, int32(id))
		queues[id].AcceptMessageTypes = t.accepts
	}
	return queues, nil
}

func (s *service) messageQueue(r *v2.Resource, t *topic, id int32) *v2.MessageQueue {
	return &v2.MessageQueue{
		Topic:      r,
		Id:         id,
		Permission: t.Permission.proto(),
		Broker:     &v2.Broker{Name: s.store.name, Id: 0, Endpoints: s.endpoints},
	}
}
