package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// NotifyClientTermination ends the session of a client, whatever else is wrong with the request.
func (s *service) NotifyClientTermination(
	ctx context.Context, req *v2.NotifyClientTerminationRequest,
) (*v2.NotifyClientTerminationResponse, error) {
	return &v2.NotifyClientTerminationResponse{Status: statusOf(s.terminate(ctx, req))}, nil
}

func (s *service) terminate(ctx context.Context, req *v2.NotifyClientTerminationRequest) error {
	id, err := s.admit(ctx, req)
	if err != nil {
		return err
	}
	settings, ok := s.sessions.end(id)
	if !ok {
		return errNoSettings()
	}
	if err := s.checkLanguage(ctx); err != nil {
		return err
	}
	switch t := settings.GetClientType(); {
	case t == v2.ClientType_PRODUCER:
		return nil
	case s.isConsumer(t):
		return checkGroup(req.GetGroup().GetName())
	default:
		return refuse(v2.Code_UNRECOGNIZED_CLIENT_TYPE, t.String())
	}
}
