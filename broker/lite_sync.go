package broker

import (
	"context"
	"slices"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// SyncLiteSubscription takes what a client says of the lite topics that it subscribes to: some more,
// some less, these and no other, or none any more.
func (s *service) SyncLiteSubscription(
	ctx context.Context, req *v2.SyncLiteSubscriptionRequest,
) (*v2.SyncLiteSubscriptionResponse, error) {
	return &v2.SyncLiteSubscriptionResponse{Status: s.store.quirks.status(s.syncLite(ctx, req))}, nil
}

func (s *service) syncLite(ctx context.Context, req *v2.SyncLiteSubscriptionRequest) error {
	id, err := s.admit(ctx, req)
	if err != nil {
		return err
	}
	if err := checkTopicAndGroup(req.GetTopic(), req.GetGroup()); err != nil {
		return err
	}
	if req.GetAction() == v2.LiteSubscriptionAction_PARTIAL_ADD {
		for _, name := range req.GetLiteTopicSet() {
			if err := checkLiteTopic(name); err != nil {
				return err
			}
		}
		if err := checkOffset(req.GetOffsetOption()); err != nil {
			return err
		}
	}
	sub, err := s.findLite(req.GetTopic(), req.GetGroup())
	if err != nil {
		return err
	}
	names := slices.Compact(slices.Sorted(slices.Values(req.GetLiteTopicSet())))
	if quota := sub.group.Lite.Quota; len(names) > quota+quotaTolerance {
		return refusef(v2.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED, "lite subscription quota exceeded: %d", quota)
	}
	if err := s.checkServed(); err != nil {
		return err
	}
	return sub.sync(id, req, names)
}

// checkOffset refuses an option that says nothing, or what the broker does not know.
func checkOffset(from *v2.OffsetOption) error {
	if from == nil {
		return nil
	}
	switch o := from.GetOffsetType().(type) {
	case nil:
		return under(QuirkLiteOffset, refuse(v2.Code_BAD_REQUEST, "the offset option does not say where to begin"))
	case *v2.OffsetOption_Policy_:
		if _, known := v2.OffsetOption_Policy_name[int32(o.Policy)]; !known {
			return refusef(v2.Code_BAD_REQUEST, "unknown offset policy: %d", o.Policy)
		}
	}
	return nil
}

// findLite finds what a group of lite topics reads of its parent topic.
func (s *service) findLite(topic, group *v2.Resource) (*subscription, error) {
	g, err := s.findGroup(group, v2.Code_ILLEGAL_CONSUMER_GROUP)
	if err != nil {
		return nil, err
	}
	if err := g.checkBinding(topic.GetName()); err != nil {
		return nil, err
	}
	t, err := s.findTopic(topic)
	if err != nil {
		return nil, err
	}
	if t.lites == nil {
		return nil, refusef(v2.Code_INTERNAL_SERVER_ERROR, "the topic [%s] message type not match", t.Name)
	}
	return s.store.subscription(g, t), nil
}

// checkMode refuses a client of lite topics in a group of ordinary ones, and the reverse.
func (g *group) checkMode(t v2.ClientType) error {
	switch lite := t == v2.ClientType_LITE_PUSH_CONSUMER; {
	case lite && !g.isLite():
		return refuse(v2.Code_ILLEGAL_CONSUMER_GROUP, "regular group cannot use LITE mode: "+g.Name)
	case !lite && g.isLite():
		return refuse(v2.Code_ILLEGAL_CONSUMER_GROUP, "lite group must use LITE mode: "+g.Name)
	}
	return nil
}

// checkBinding refuses any topic but the one whose lite topics the group reads.
func (g *group) checkBinding(topic string) error {
	if g.Lite.Topic == topic {
		return nil
	}
	bound := g.Lite.Topic
	if bound == "" {
		bound = "null"
	}
	return refusef(v2.Code_ILLEGAL_TOPIC, "lite group %s is expected to bind topic %s, but actual is %s", g.Name, bound, topic)
}

// sync does what a client asks for. All but the addition of single lite topics needs no look at the
// names: one that nobody may send to is never heard of.
func (s *subscription) sync(client string, req *v2.SyncLiteSubscriptionRequest, names []string) error {
	s.mu.Lock()
	defer s.unlock()
	now := nowMillis()
	switch action := req.GetAction(); action {
	case v2.LiteSubscriptionAction_PARTIAL_ADD:
		if s.lite.wildcard() {
			return refuse(v2.Code_INTERNAL_SERVER_ERROR, "subscribe lite operation is not supported for this group")
		}
		s.lite.add(s.lite.client(client, now), names, req.GetOffsetOption())
	case v2.LiteSubscriptionAction_PARTIAL_REMOVE:
		s.lite.unsubscribe(client, names, now)
	case v2.LiteSubscriptionAction_COMPLETE_ADD:
		s.lite.set(s.lite.client(client, now), names)
	case v2.LiteSubscriptionAction_COMPLETE_REMOVE:
		s.lite.remove(client)
	default:
		return refusef(v2.Code_INTERNAL_SERVER_ERROR, "unknown LiteSubscriptionAction: %v", action)
	}
	return nil
}

// removeLite ends all subscriptions to lite topics of a client.
func (s *subscription) removeLite(client string) {
	s.mu.Lock()
	defer s.unlock()
	s.lite.remove(client)
}
