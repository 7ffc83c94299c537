package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// Heartbeat keeps the session of a client. What the client is, its settings tell, not the request.
func (s *service) Heartbeat(ctx context.Context, req *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
	return &v2.HeartbeatResponse{Status: statusOf(s.heartbeat(ctx, req))}, nil
}

func (s *service) heartbeat(ctx context.Context, req *v2.HeartbeatRequest) error {
	id, err := s.admit(ctx, req)
	if err != nil {
		return err
	}
	settings, ok := s.sessions.settings(id)
	if !ok {
		return errNoSettings()
	}
	if err := s.checkLanguage(ctx); err != nil {
		return err
	}
	switch t := settings.GetClientType(); {
	case t == v2.ClientType_PRODUCER:
	case s.isConsumer(t):
		g, err := s.findGroup(req.GetGroup(), v2.Code_ILLEGAL_CONSUMER_GROUP)
		if err != nil {
			return err
		}
		if err := g.checkConsumer(settings); err != nil {
			return err
		}
	default:
		return refuse(v2.Code_UNRECOGNIZED_CLIENT_TYPE, t.String())
	}
	s.sessions.touch(id)
	return nil
}
