package broker

import (
	"context"
	"time"

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
	r := &reception{service: s, ctx: stream.Context(), topic: req.GetMessageQueue().GetTopic()}
	apart(func() { r.err = r.begin(req) })
	if r.waiter != nil {
		r.sub.wait(r.ctx, r.waiter, r.polling)
	}
	return r.answer(stream)
}

// A reception is a ReceiveMessage under way.
type reception struct {
	service  *service
	ctx      context.Context
	topic    *v2.Resource // as it was asked for
	admitted bool
	polling  time.Duration
	sub      *subscription
	pull     *pull
	waiter   *waiter // nil if there is nothing to wait for
	err      error
}

// answer answers with what there is, or with an error.
func (r *reception) answer(stream receiveStream) error {
	s := r.service
	if r.err == nil {
		r.err = r.result()
	}
	if r.err != nil && !r.admitted {
		return stream.Send(statusFrame(r.err))
	}
	// Lost in a crash, the deliveries would be under way again, and to acknowledge these would do nothing;
	// and what was passed by for an answer with nothing would come.
	if err := s.store.diary.settled(r.ctx); err != nil {
		if r.err == nil {
			r.sub.handBack(r.pull.got)
		}
		return unsettledStatus(err)
	}
	if r.err != nil {
		if err := stream.Send(frameOf(s.store.quirks.status(r.err))); err != nil {
			return err
		}
		return stream.Send(timeFrame())
	}
	sent, err := s.deliver(stream, r.topic, r.pull.got)
	r.sub.handBack(r.pull.got[sent:]) // the client is gone: it goes to another at once
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

// begin checks the request, and pops, or begins to wait.
func (r *reception) begin(req *v2.ReceiveMessageRequest) error {
	s := r.service
	id, err := s.admit(r.ctx, req)
	if err != nil {
		return err
	}
	r.admitted = true
	settings, ok := s.sessions.settings(id)
	if !ok {
		return under(QuirkMissingSettings, errNoSettings())
	}
	if r.polling, err = s.polling(r.ctx, req, settings); err != nil {
		return err
	}
	if r.sub, err = s.readable(r.topic, req.GetGroup(), settings.GetClientType()); err != nil {
		return err
	}
	if r.pull, err = s.pull(req, id); err != nil {
		return err
	}
	if err := r.sub.checkUnacked(id); err != nil {
		return err
	}
	r.waiter, err = r.sub.poll(r.pull, r.polling)
	return err
}

// result gives an error if there is no message.
func (r *reception) result() error {
	p := r.pull
	if p.dead > 0 {
		r.service.logger.Info("broker: messages have gone to the dead letters",
			"group", r.sub.group.Name, "topic", r.sub.topic.Name, "messages", p.dead)
	}
	switch {
	case len(p.got) > 0:
		return nil
	case p.dead > 0:
		return refuse(v2.Code_MESSAGE_NOT_FOUND, "no match message")
	}
	return refuse(v2.Code_MESSAGE_NOT_FOUND, "no new message")
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
