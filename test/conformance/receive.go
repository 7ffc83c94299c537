package conformance

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	shortestPoll = 5 * time.Second  // the server waits no less for a message
	minInvisible = 10 * time.Second // the shortest invisible duration of a receive
	longLease    = 2 * time.Minute  // an invisible duration whose end a row does not live to see
)

// Received is the answer to one receive.
type Received struct {
	Status   *v2.Status
	Messages []*v2.Message
	Frames   []string // status, message or timestamp, in the order of their arrival
	Start    time.Time
	Took     time.Duration // from the request to the end of the answer
}

// At is when the answer was complete.
func (r Received) At() time.Time { return r.Start.Add(r.Took) }

// receive is a request in the making.
type receive struct {
	*v2.ReceiveMessageRequest
	timeout time.Duration // of the call; 0 leaves it without a deadline
	leave   time.Duration // after which the client cancels the call; 0 is never
}

type receiveOption func(*receive)

// polling sets how long to wait for a message, and the call's deadline with room to spare.
func polling(d time.Duration) receiveOption {
	return func(r *receive) { r.LongPollingTimeout, r.timeout = durationpb.New(d), d+10*time.Second }
}

func within(timeout time.Duration) receiveOption {
	return func(r *receive) { r.timeout = timeout }
}

func invisible(d time.Duration) receiveOption {
	return func(r *receive) { r.InvisibleDuration = durationpb.New(d) }
}

func atMost(n int32) receiveOption { return func(r *receive) { r.BatchSize = n } }

func matching(tags string) receiveOption {
	return func(r *receive) {
		r.FilterExpression = &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: tags}
	}
}

func renewed() receiveOption {
	return func(r *receive) { r.AutoRenew, r.InvisibleDuration = true, nil }
}

func attempt(id string) receiveOption { return func(r *receive) { r.AttemptId = &id } }

// newReceive returns a request for up to 32 messages, invisible for the shortest duration.
func newReceive(group, topic string, options []receiveOption) receive {
	r := receive{ReceiveMessageRequest: &v2.ReceiveMessageRequest{
		Group:        resource(group),
		MessageQueue: &v2.MessageQueue{Topic: resource(topic), Id: -1, Permission: v2.Permission_READ_WRITE},
		BatchSize:    32,
		FilterExpression: &v2.FilterExpression{
			Type: v2.FilterType_TAG, Expression: "*",
		},
	}}
	for _, option := range append([]receiveOption{invisible(minInvisible), polling(shortestPoll)}, options...) {
		option(&r)
	}
	return r
}

// Receive makes one receive and reads its answer to the end.
func (c *Client) Receive(group, topic string, options ...receiveOption) Received {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		received, err := c.receive(newReceive(group, topic, options))
		switch {
		case status.Code(err) == codes.DeadlineExceeded && c.lapses > 0:
			c.lapses--
		case err != nil:
			require.NoError(c.e, err, "receive from %s", topic)
		case !isBusy(received.Status):
			return received
		}
		c.e.Sleep(pause)
	}
}

func (c *Client) receive(r receive) (Received, error) {
	ctx, cancel := c.within(r.timeout)
	defer cancel()
	if r.leave > 0 {
		defer time.AfterFunc(r.leave, cancel).Stop()
	}
	received := Received{Start: time.Now()}
	stream, err := c.rpc.ReceiveMessage(ctx, r.ReceiveMessageRequest)
	for err == nil {
		var frame *v2.ReceiveMessageResponse
		if frame, err = stream.Recv(); err == nil {
			received.add(frame)
		}
	}
	received.Took = time.Since(received.Start)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return received, err
}

// within returns the context of a call with the timeout, or with none at all: a deadline of the
// row would become one of the call.
func (c *Client) within(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(c.ctx(), timeout)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx()))
	stop := context.AfterFunc(c.e.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

func (r *Received) add(frame *v2.ReceiveMessageResponse) {
	switch content := frame.GetContent().(type) {
	case *v2.ReceiveMessageResponse_Status:
		r.Status, r.Frames = content.Status, append(r.Frames, "status")
	case *v2.ReceiveMessageResponse_Message:
		r.Messages, r.Frames = append(r.Messages, content.Message), append(r.Frames, "message")
	case *v2.ReceiveMessageResponse_DeliveryTimestamp:
		r.Frames = append(r.Frames, "timestamp")
	}
}

// Async makes a receive in another goroutine; the function returned waits for its answer.
func (c *Client) Async(group, topic string, options ...receiveOption) (wait func() Received) {
	answer := make(chan Received, 1)
	var receiving sync.WaitGroup
	receiving.Go(func() {
		defer close(answer)
		answer <- c.Receive(group, topic, options...)
	})
	c.e.Cleanup(receiving.Wait)
	return func() Received {
		received, ok := <-answer
		if !ok {
			c.e.FailNow()
		}
		return received
	}
}

// Take receives until it has n messages, which it requires within a while.
func (c *Client) Take(group, topic string, n int, options ...receiveOption) []*v2.Message {
	var messages []*v2.Message
	deadline := time.Now().Add(time.Minute)
	for len(messages) < n {
		require.True(c.e, time.Now().Before(deadline), "received %q, want %d messages", bodiesOf(messages), n)
		received := c.Receive(group, topic, options...)
		messages = append(messages, received.Messages...)
		c.rest(received)
	}
	require.Len(c.e, messages, n)
	return messages
}

// One receives a message, which it requires within a while, and tells when it came.
func (c *Client) One(group, topic string, options ...receiveOption) (*v2.Message, time.Time) {
	messages := c.Take(group, topic, 1, options...)
	return messages[0], time.Now()
}

// Next receives until a message comes or the duration is over, and returns what came with the
// time of its arrival.
func (c *Client) Next(group, topic string, d time.Duration, options ...receiveOption) ([]*v2.Message, time.Time) {
	deadline := time.Now().Add(d)
	for {
		received := c.Receive(group, topic, options...)
		if len(received.Messages) > 0 || !time.Now().Before(deadline) {
			return received.Messages, received.At()
		}
		c.rest(received)
	}
}

// rest lets a little time pass after an answer without messages. Most have waited for one, but
// some, such as that of a topic that is not there yet, come at once and would be asked for again
// without end.
func (c *Client) rest(r Received) {
	if len(r.Messages) == 0 {
		c.e.Sleep(100 * time.Millisecond)
	}
}

// Silent requires that the group receives nothing more from the topic before a point in time.
func (c *Client) Silent(group, topic string, until time.Time, options ...receiveOption) {
	messages, _ := c.Next(group, topic, time.Until(until), options...)
	require.Empty(c.e, bodiesOf(messages), "messages received again")
}

// sorted returns the texts in order, where the server promises none.
func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

func durationOf(d time.Duration) *durationpb.Duration { return durationpb.New(d) }
