package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxBatch bounds the messages of one answer; who asks for more gets this many.
const maxBatch = 32

type receiveStream = grpc.ServerStreamingServer[v2.ReceiveMessageResponse]

// ReceiveMessage hands out messages of a topic to a group, and waits for some if there are none.
// The answer is a status, the messages, and the time, in this order. The queue that the request
// names does not matter: it gets messages of all.
func (s *service) ReceiveMessage(req *v2.ReceiveMessageRequest, stream receiveStream) error {
	id, err := s.admit(stream.Context(), req)
	if err != nil {
		return stream.Send(statusFrame(err))
	}
	sub, p, err := s.receive(stream.Context(), id, req)
	if err != nil {
		if err := stream.Send(frameOf(s.store.quirks.status(err))); err != nil {
			return err
		}
		return stream.Send(timeFrame())
	}
	// Lost in a crash, the deliveries would be under way again, and to acknowledge these would do nothing.
	if err := s.store.diary.settled(stream.Context()); err != nil {
		sub.handBack(p.got)
		return unsettledStatus(err)
	}
	sent, err := s.deliver(stream, req.GetMessageQueue().GetTopic(), p.got)
	sub.handBack(p.got[sent:]) // the client is gone: it goes to another at once
	return err
}

// deliver answers with messages, and tells how many of them have been sent.
func (s *service) deliver(stream receiveStream, topic *v2.Resource, got []delivery) (sent int, err error) {
	if err := stream.Context().Err(); err != nil {
		return 0, err
	}
	if err := stream.Send(statusFrame(nil)); err != nil {
		return 0, err
	}
	for i, frame := range s.store.messageFrames(topic, got) {
		if err := stream.SendMsg(frame); err != nil {
			return i, err
		}
	}
	return len(got), stream.Send(timeFrame())
}

// receive checks the request, and pops or waits. It gives at least one message, or an error.
func (s *service) receive(ctx context.Context, id string, req *v2.ReceiveMessageRequest) (*subscription, *pull, error) {
	settings, ok := s.sessions.settings(id)
	if !ok {
		return nil, nil, under(QuirkMissingSettings, errNoSettings())
	}
	polling, err := s.polling(ctx, req, settings)
	if err != nil {
		return nil, nil, err
	}
	sub, err := s.readable(req.GetMessageQueue().GetTopic(), req.GetGroup(), settings.GetClientType())
	if err != nil {
		return nil, nil, err
	}
	p, err := s.pull(req, id)
	if err != nil {
		return nil, nil, err
	}
	if err := sub.checkUnacked(id); err != nil {
		return nil, nil, err
	}
	if err := sub.poll(ctx, p, polling); err != nil {
		return nil, nil, err
	}
	if p.dead > 0 {
		s.logger.Info("broker: messages have gone to the dead letters",
			"group", sub.group.Name, "topic", sub.topic.Name, "messages", p.dead)
	}
	switch {
	case len(p.got) > 0:
		return sub, p, nil
	case p.dead > 0:
		return nil, nil, refuse(v2.Code_MESSAGE_NOT_FOUND, "no match message")
	}
	return nil, nil, refuse(v2.Code_MESSAGE_NOT_FOUND, "no new message")
}

// readable finds what a group reads of a topic.
func (s *service) readable(topic, group *v2.Resource, client v2.ClientType) (*subscription, error) {
	if err := checkTopicAndGroup(topic, group); err != nil {
		return nil, err
	}
	t, err := s.findTopic(topic)
	if err != nil {
		return nil, under(QuirkMissingTopic, err)
	}
	g, err := s.findGroup(group, v2.Code_CONSUMER_GROUP_NOT_FOUND)
	if err != nil {
		return nil, err
	}
	if !t.Permission.readable() {
		return nil, errNoReadableQueue()
	}
	lite := client == v2.ClientType_LITE_PUSH_CONSUMER
	if !lite && g.isLite() && s.store.quirks[QuirkLiteMode] {
		return s.store.ordinarySubscription(g, t), nil
	}
	if err := g.checkMode(client); err != nil {
		return nil, err
	}
	if lite {
		if err := s.checkServed(); err != nil {
			return nil, err
		}
		return s.findLite(topic, group)
	}
	return s.store.subscription(g, t), nil
}

func (s *service) pull(req *v2.ReceiveMessageRequest, id string) (*pull, error) {
	p := &pull{
		client:    id,
		proxy:     s.sessions,
		max:       min(int(req.GetBatchSize()), maxBatch),
		invisible: req.GetInvisibleDuration().AsDuration().Milliseconds(),
		attemptID: req.GetAttemptId(),
		now:       nowMillis(),
	}
	if req.GetBatchSize() < 0 {
		return nil, refusef(v2.Code_BAD_REQUEST, "the batch size must not be negative, but is %d", req.GetBatchSize())
	}
	if req.GetAutoRenew() {
		p.invisible, p.renewFor = renewedInvisible, id
	} else if err := checkInvisible(req.GetInvisibleDuration(), s.limits.MinInvisible); err != nil {
		return nil, err
	}
	var err error
	p.filter, err = s.store.quirks.parseFilter(req.GetFilterExpression())
	return p, err
}

// handBack makes deliveries visible at once that did not reach the client. They do not count as
// attempts.
func (s *subscription) handBack(all []delivery) {
	if len(all) == 0 {
		return
	}
	s.store.diary.enter()
	defer s.store.diary.leave()
	s.mu.Lock()
	defer s.unlock()
	for i := range all {
		if f, ok := s.inFlight(all[i].handle); ok {
			f.handBack()
		}
	}
}

func statusFrame(err error) *v2.ReceiveMessageResponse {
	return frameOf(statusOf(err))
}

func frameOf(status *v2.Status) *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: status}}
}

func timeFrame() *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{
		Content: &v2.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: timestamppb.Now()},
	}
}
