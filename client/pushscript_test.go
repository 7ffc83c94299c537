package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/client"
)

// A counter is a server that hands out, poll by poll, the answers that a test puts onto it, and holds
// polls for which there is none. It notes the requests by which messages are settled.
type counter struct {
	journal
	*scripted

	answers chan answer

	mu    sync.Mutex // guards what follows
	polls []*v2.ReceiveMessageRequest
	when  []time.Time // of the polls
}

type answer = func(*v2.ReceiveMessageRequest, receiveServer) error

// counterAt makes a server of the network a counter, of a group that is FIFO or not.
func (n *network) counterAt(address string, fifo bool) *counter {
	c := &counter{scripted: n.at(address), answers: make(chan answer, 1000)}
	c.script(func() {
		c.telemetry = answerSettings(func(s *v2.Settings) *v2.Settings { return groupSettings(s, fifo) })
		c.receive = c.poll
		c.ack = func(_ context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			for _, e := range q.GetEntries() {
				c.add("ack %s", e.GetMessageId())
			}
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		c.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			c.add("%s", changed(q))
			return &v2.ChangeInvisibleDurationResponse{Status: ok()}, nil
		}
		c.forward = func(_ context.Context, q *v2.ForwardMessageToDeadLetterQueueRequest) (*v2.ForwardMessageToDeadLetterQueueResponse, error) {
			c.add("forward %s/%d", q.GetMessageId(), q.GetDeliveryAttempt())
			return &v2.ForwardMessageToDeadLetterQueueResponse{Status: ok()}, nil
		}
	})
	return c
}

func changed(q *v2.ChangeInvisibleDurationRequest) string {
	line := fmt.Sprintf("nack %s %v", q.GetMessageId(), q.GetInvisibleDuration().AsDuration())
	if q.GetSuspend() {
		line += " suspended"
	}
	return line
}

// groupSettings answers as servers do, with three attempts, which are repeated after 1, 5 and 10 s.
func groupSettings(s *v2.Settings, fifo bool) *v2.Settings {
	if s.GetSubscription() == nil {
		return s
	}
	s.GetSubscription().Fifo = &fifo
	s.GetSubscription().ReceiveBatchSize = new(int32(32))
	s.GetSubscription().LongPollingTimeout = durationpb.New(20 * time.Second)
	s.BackoffPolicy = &v2.RetryPolicy{MaxAttempts: 3, Strategy: &v2.RetryPolicy_CustomizedBackoff{
		CustomizedBackoff: &v2.CustomizedBackoff{Next: []*durationpb.Duration{
			durationpb.New(time.Second), durationpb.New(5 * time.Second), durationpb.New(10 * time.Second),
		}},
	}}
	return s
}

func (c *counter) poll(q *v2.ReceiveMessageRequest, stream receiveServer) error {
	c.mu.Lock()
	c.polls = append(c.polls, q)
	c.when = append(c.when, time.Now())
	c.mu.Unlock()
	select {
	case answer := <-c.answers:
		return answer(q, stream)
	case <-stream.Context().Done():
		return nil
	case <-time.After(q.GetLongPollingTimeout().AsDuration()):
		return noMessage(q, stream)
	}
}

// polled returns the polls so far.
func (c *counter) polled() ([]*v2.ReceiveMessageRequest, []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.polls), slices.Clone(c.when)
}

var (
	noMessage answer = frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))
	throttled answer = frames(nil, statusFrame(code(v2.Code_TOO_MANY_REQUESTS)))
	broken    answer = frames(status.Error(codes.Internal, "x"), statusFrame(ok()))
)

// give answers the next poll with messages, and then ends with an error, if it is not nil.
func (c *counter) give(end error, messages ...*v2.ReceiveMessageResponse) {
	c.answers <- frames(end, append([]*v2.ReceiveMessageResponse{statusFrame(ok())}, messages...)...)
}

// ids are messages, each with its place in queue 0.
func ids(all ...string) []*v2.ReceiveMessageResponse {
	var out []*v2.ReceiveMessageResponse
	for _, id := range all {
		out = append(out, messageFrame(id, at(0, int64(len(out)))))
	}
	return out
}

func at(queue int32, offset int64) func(*v2.Message) {
	return func(m *v2.Message) {
		m.SystemProperties.QueueId, m.SystemProperties.QueueOffset = queue, &offset
		m.SystemProperties.DeliveryAttempt = new(int32(1))
	}
}

func corrupt(m *v2.Message) {
	m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_MD5, Checksum: "00"}
}

// push runs a push consumer of one topic until the end of the test, or its Close.
func (n *network) push(handle client.Handler, opts ...client.PushOption) *client.PushConsumer {
	n.Helper()
	pc, err := n.client.NewPushConsumer("G", everything("orders"), handle, opts...)
	require.NoError(n, err)
	start(n.T, pc)
	return pc
}

// ids of messages is what handlers see on a network.
func (j *journal) seeID(_ context.Context, m *client.Message) error {
	j.add("%s", m.ID)
	return nil
}
