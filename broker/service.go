package broker

import (
	"context"
	"log/slog"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"
)

// The names of the server's default configuration.
const (
	clusterName = "DefaultCluster"
	brokerName  = "broker-a"
)

// A service answers the requests of the protocol. Each request has its file. What is refused is
// refused in the answer, with a code of the protocol; the gRPC call itself succeeds.
type service struct {
	v2.UnimplementedMessagingServiceServer

	store     *store
	sessions  *sessions
	acl       *acl // nil if all are served
	pulling   bool // there is PullMessage, and what goes with it
	limits    Limits
	endpoints *v2.Endpoints // where this broker is reached, as routes say
	logger    *slog.Logger
}

// clientID gives who asks. Without that nothing is answered.
func clientID(ctx context.Context) (string, error) {
	for _, id := range metadata.ValueFromIncomingContext(ctx, "x-mq-client-id") {
		if strings.TrimSpace(id) != "" {
			return id, nil
		}
	}
	return "", refuse(v2.Code_CLIENT_ID_REQUIRED, "client id cannot be empty")
}

func errNoSettings() error {
	return refuse(v2.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client")
}

// findTopic checks the name and finds the topic.
func (s *service) findTopic(r *v2.Resource) (*topic, error) {
	if err := s.checkTopic(r.GetName()); err != nil {
		return nil, err
	}
	t, ok := s.store.topic(r.GetName())
	if !ok {
		return nil, refuse(v2.Code_TOPIC_NOT_FOUND, "No topic route info in name server for the topic: "+r.GetName())
	}
	return t, nil
}

// findGroup checks the name and finds the group.
func (s *service) findGroup(r *v2.Resource, unknown v2.Code) (*group, error) {
	if err := checkGroup(r.GetName()); err != nil {
		return nil, err
	}
	g, ok := s.store.group(r.GetName())
	if !ok && s.makesGroup(unknown) {
		g, ok = s.store.ensureGroup(Group{Name: r.GetName()})
	}
	if !ok {
		return nil, refuse(unknown, "group not found: "+r.GetName())
	}
	return g, nil
}
