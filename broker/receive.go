package broker

import (
	"context"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxBatch bounds the messages of one answer; who asks for more gets this many.
const maxBatch = 32

type receiveStream = grpc.ServerStreamingServer[v2.ReceiveMessageResponse]

// ReceiveMessage hands out messages of a topic to a group, and waits for some if there are none.
// The answer is a status, the messages, and the time, in this order. The queue that the request
// names does not matter: it gets messages of all.
func (s *service) ReceiveMessage(req *v2.ReceiveMessageRequest, stream receiveStream) error {
	id, err := clientID(stream.Context())
	if err != nil {
		return stream.Send(statusFrame(err))
	}
	sub, p, err := s.receive(stream.Context(), id, req)
	if err != nil {
		return s.answer(stream, err, nil)
	}
	sent := 0
	if stream.Context().Err() == nil {
		err = s.answer(stream, nil, func() error {
			for ; sent < len(p.got); sent++ {
				if err := stream.Send(messageFrame(s.delivered(req.GetMessageQueue().GetTopic(), &p.got[sent]))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sub.handBack(p.got[sent:]) // what the client did not wait for
	return err
}

// receive checks the request, and pops or waits. It gives at least one message, or an error.
func (s *service) receive(ctx context.Context, id string, req *v2.ReceiveMessageRequest) (*subscription, *pull, error) {
	settings, ok := s.sessions.settings(id)
	if !ok {
		return nil, nil, errNoSettings()
	}
	polling, err := s.polling(ctx, req, settings)
	if err != nil {
		return nil, nil, err
	}
	sub, err := s.readable(req.GetMessageQueue().GetTopic(), req.GetGroup())
	if err != nil {
		return nil, nil, err
	}
	p, err := s.pull(req, id, sub.group)
	if err != nil {
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
func (s *service) readable(topic, group *v2.Resource) (*subscription, error) {
	if err := checkTopicAndGroup(topic, group); err != nil {
		return nil, err
	}
	t, err := s.findTopic(topic)
	if err != nil {
		return nil, err
	}
	g, err := s.findGroup(group, v2.Code_CONSUMER_GROUP_NOT_FOUND)
	if err != nil {
		return nil, err
	}
	if !t.Permission.readable() {
		return nil, errNoReadableQueue()
	}
	return s.store.subscription(g, t), nil
}

func (s *service) pull(req *v2.ReceiveMessageRequest, id string, g *group) (*pull, error) {
	p := &pull{
		max:       min(int(req.GetBatchSize()), maxBatch),
		invisible: req.GetInvisibleDuration().AsDuration().Milliseconds(),
		attemptID: req.GetAttemptId(),
		now:       nowMillis(),
	}
	if req.GetBatchSize() < 0 {
		return nil, refusef(v2.Code_BAD_REQUEST, "the batch size must not be negative, but is %d", req.GetBatchSize())
	}
	if req.GetAutoRenew() {
		p.invisible, p.renewFor, p.renewLast = renewedInvisible, id, g.firstBackoff().Milliseconds()
	} else if err := checkInvisible(req.GetInvisibleDuration(), s.limits.MinInvisible); err != nil {
		return nil, err
	}
	var err error
	p.filter, err = parseFilter(req.GetFilterExpression())
	return p, err
}

// polling tells for how long to wait: what was asked for within the limits, but not beyond the
// deadline of the call. Who names no time gets the deadline less half a request timeout.
func (s *service) polling(ctx context.Context, req *v2.ReceiveMessageRequest, settings *v2.Settings) (time.Duration, error) {
	deadline, bounded := ctx.Deadline()
	remaining := s.limits.MaxPolling // without a deadline
	if bounded {
		remaining = time.Until(deadline)
	}
	asked := remaining - settings.GetRequestTimeout().AsDuration()/2
	if req.LongPollingTimeout != nil {
		asked = req.GetLongPollingTimeout().AsDuration()
	}
	asked = min(max(asked, s.limits.MinPolling), s.limits.MaxPolling)
	if asked <= remaining {
		return asked, nil
	}
	if remaining < s.limits.MinPolling {
		return 0, refuse(pollingCode(ctx), "The deadline time remaining is not enough for polling, please check network condition")
	}
	return remaining, nil
}

// pollingCode is what the client's version knows of a deadline that is too short. The server
// compares versions as text.
func pollingCode(ctx context.Context) v2.Code {
	version := metadata.ValueFromIncomingContext(ctx, "x-mq-client-version")
	if len(version) > 0 && version[0] < "5.0.3" {
		return v2.Code_BAD_REQUEST
	}
	return v2.Code_ILLEGAL_POLLING_TIME
}

// poll pops for p, and waits until that gives something, the time is over, or ctx ends.
func (s *subscription) poll(ctx context.Context, p *pull, polling time.Duration) error {
	w, ok := s.receive(p, time.Now().Add(polling).UnixMilli())
	if !ok {
		return refuse(v2.Code_TOO_MANY_REQUESTS, "polling full")
	}
	if w == nil {
		return nil
	}
	timer := time.NewTimer(polling - min(pollingEndsEarlier, polling/10))
	defer timer.Stop()
	select {
	case <-w.served:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.leave(w)
	return nil
}

// handBack makes deliveries visible at once that did not reach the client. They do not count as
// attempts.
func (s *subscription) handBack(all []delivery) {
	if len(all) == 0 {
		return
	}
	s.mu.Lock()
	defer s.unlock()
	for i := range all {
		if l, ok := s.lane(all[i].handle); ok {
			if f, ok := l.find(all[i].handle); ok {
				f.handBack()
			}
		}
	}
}

// answer sends the status, what body sends, and the time.
func (s *service) answer(stream receiveStream, refused error, body func() error) error {
	if err := stream.Send(statusFrame(refused)); err != nil {
		return err
	}
	if body != nil {
		if err := body(); err != nil {
			return err
		}
	}
	return stream.Send(&v2.ReceiveMessageResponse{
		Content: &v2.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: timestamppb.Now()},
	})
}

func statusFrame(err error) *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: statusOf(err)}}
}

func messageFrame(m *v2.Message) *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Message{Message: m}}
}
