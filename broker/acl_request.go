package broker

import (
	"context"
	"net"
	"net/netip"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// admit gives which client asks, if the request may be answered at all. Where there is an ACL, who
// asks comes first; nothing else of the request has been looked at before.
func (s *service) admit(ctx context.Context, req any) (string, error) {
	if s.acl != nil {
		if err := s.acl.admit(ctx, req); err != nil {
			return "", err
		}
	}
	return clientID(ctx)
}

func (a *acl) admit(ctx context.Context, req any) error {
	md, _ := metadata.FromIncomingContext(ctx)
	user, err := a.authenticate(md)
	if err != nil {
		return err
	}
	needs, err := needsOf(req)
	if err != nil {
		return err
	}
	source := sourceOf(ctx)
	for _, n := range needs {
		if err := user.authorize(n, source); err != nil {
			return err
		}
	}
	return nil
}

func unauthorized(format string, args ...any) error {
	return refusef(v2.Code_UNAUTHORIZED, format, args...)
}

// sourceOf tells where a request comes from: this machine, if not from the network.
func sourceOf(ctx context.Context) netip.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		if tcp, isTCP := p.Addr.(*net.TCPAddr); isTCP {
			return tcp.AddrPort().Addr().Unmap().WithZone("")
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// needsOf tells what a request does. What names neither topic nor group, and what takes the leave of
// a client, needs a user, but no policy. Which requests that are, is the server's choice.
func needsOf(req any) ([]need, error) {
	var n needs
	switch r := req.(type) {
	case *v2.QueryRouteRequest:
		n.topic(r.GetTopic(), publishes|subscribes)
	case *v2.SendMessageRequest:
		if len(r.GetMessages()) == 0 {
			return nil, unauthorized("message is null.")
		}
		n.topic(r.GetMessages()[0].GetTopic(), publishes)
	case *v2.EndTransactionRequest:
		n.topic(r.GetTopic(), publishes)
	case *v2.RecallMessageRequest:
		n.topic(r.GetTopic(), publishes)
	case *v2.TelemetryCommand:
		if s := r.GetSettings(); s != nil {
			n.settings(s)
		}
	case *v2.HeartbeatRequest:
		switch r.GetClientType() {
		case v2.ClientType_PUSH_CONSUMER, v2.ClientType_SIMPLE_CONSUMER, v2.ClientType_PULL_CONSUMER:
			n.group(r.GetGroup())
		}
	case *v2.NotifyClientTerminationRequest:
		if !isBlank(r.GetGroup().GetName()) {
			n.group(r.GetGroup())
		}
	case *v2.ChangeInvisibleDurationRequest:
		n.group(r.GetGroup())
	case *v2.ReceiveMessageRequest:
		if r.GetMessageQueue() == nil {
			return nil, unauthorized("messageQueue is null.")
		}
		n.consume(r.GetGroup(), r.GetMessageQueue().GetTopic())
	case *v2.SyncLiteSubscriptionRequest:
		if len(r.GetLiteTopicSet()) > 0 {
			n.consume(r.GetGroup(), r.GetTopic())
		}
	case *v2.AckMessageRequest:
		n.consume(r.GetGroup(), r.GetTopic())
	case *v2.ForwardMessageToDeadLetterQueueRequest:
		n.consume(r.GetGroup(), r.GetTopic())
	case *v2.QueryAssignmentRequest:
		n.consume(r.GetGroup(), r.GetTopic())
	case *v2.PullMessageRequest:
		n.consume(r.GetGroup(), r.GetMessageQueue().GetTopic())
	case *v2.UpdateOffsetRequest:
		n.consume(r.GetGroup(), r.GetMessageQueue().GetTopic())
	case *v2.GetOffsetRequest:
		n.consume(r.GetGroup(), r.GetMessageQueue().GetTopic())
	case *v2.QueryOffsetRequest:
		n.topic(r.GetMessageQueue().GetTopic(), subscribes)
	}
	return n.all, n.err
}

// needs gathers what a request does. A request that leaves out a name that it needs does nothing.
type needs struct {
	all []need
	err error // the first that is amiss
}

func (n *needs) topic(r *v2.Resource, actions actionSet) {
	n.add(need{topicResource, r.GetName(), actions}, "topic is null.")
}

// group adds the group of a consumer. To name the topic of its redeliveries is to name it.
func (n *needs) group(r *v2.Resource) {
	n.add(need{groupResource, strings.TrimPrefix(r.GetName(), retryPrefix), subscribes}, "group is null.")
}

func (n *needs) consume(group, topic *v2.Resource) {
	n.group(group)
	n.topic(topic, subscribes)
}

func (n *needs) settings(s *v2.Settings) {
	if s.GetPubSub() == nil {
		n.err = refuse(v2.Code_INTERNAL_SERVER_ERROR, "settings command doesn't have publishing or subscription.")
		return
	}
	for _, topic := range s.GetPublishing().GetTopics() {
		n.topic(topic, publishes)
	}
	if sub := s.GetSubscription(); sub != nil {
		n.group(sub.GetGroup())
		for _, entry := range sub.GetSubscriptions() {
			n.topic(entry.GetTopic(), subscribes)
		}
	}
}

func (n *needs) add(one need, missing string) {
	if isBlank(one.name) && n.err == nil {
		n.err = unauthorized("%s", missing)
	}
	n.all = append(n.all, one)
}
