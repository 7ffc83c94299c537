package broker_test

import (
	"context"
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

func (r *rig) route(topic string) (*v2.Status, []*v2.MessageQueue) {
	answer, err := r.stub.QueryRoute(r.ctx, &v2.QueryRouteRequest{Topic: resource(topic)})
	r.NoError(err)
	return answer.GetStatus(), answer.GetMessageQueues()
}

func TestRoute_TellsTheQueuesOfATopic(t *testing.T) {
	inBubble(t, func(r *rig) {
		st, queues := r.route("N4")
		r.Equal(v2.Code_OK, st.GetCode())
		r.Len(queues, 4)
		for i, q := range queues {
			r.Equal("N4", q.GetTopic().GetName())
			r.EqualValues(i, q.GetId())
			r.Equal(v2.Permission_READ_WRITE, q.GetPermission())
			r.Equal([]v2.MessageType{v2.MessageType_NORMAL}, q.GetAcceptMessageTypes())
			r.EqualValues(0, q.GetBroker().GetId())
			r.Equal("broker-a", q.GetBroker().GetName())
			r.Equal(v2.AddressScheme_IPv4, q.GetBroker().GetEndpoints().GetScheme())
			address := q.GetBroker().GetEndpoints().GetAddresses()[0]
			r.Equal("127.0.0.1", address.GetHost())
			r.EqualValues(8081, address.GetPort())
		}
	})
}

func TestRoute_TellsTypeAndPermission(t *testing.T) {
	inBubble(t, func(r *rig) {
		for topic, want := range map[string]v2.MessageType{
			"N": v2.MessageType_NORMAL, "F": v2.MessageType_FIFO, "D": v2.MessageType_DELAY,
			"T": v2.MessageType_TRANSACTION, "P": v2.MessageType_PRIORITY,
		} {
			_, queues := r.route(topic)
			r.Equal([]v2.MessageType{want}, queues[0].GetAcceptMessageTypes())
		}
		for topic, want := range map[string]v2.Permission{"RO": v2.Permission_READ, "WO": v2.Permission_WRITE} {
			_, queues := r.route(topic)
			r.Len(queues, broker.DefaultQueues)
			r.Equal(want, queues[7].GetPermission())
		}
	})
}

func TestRoute_RefusesNames(t *testing.T) {
	const charset = ", allowing only ^[%|a-zA-Z0-9_-]+$"
	tests := map[string]struct {
		code v2.Code
		text string
	}{
		"X":                      {v2.Code_TOPIC_NOT_FOUND, "No topic route info in name server for the topic: X"},
		"":                       {v2.Code_ILLEGAL_TOPIC, "The specified topic is blank"},
		" ":                      {v2.Code_ILLEGAL_TOPIC, "The specified topic is blank"},
		"a b":                    {v2.Code_ILLEGAL_TOPIC, "The specified topic[a b] contains illegal characters" + charset},
		strings.Repeat("x", 127): {v2.Code_TOPIC_NOT_FOUND, "No topic route info in name server for the topic: " + strings.Repeat("x", 127)},
		strings.Repeat("x", 128): {v2.Code_ILLEGAL_TOPIC, "The specified topic is longer than topic max length 127."},
		"TBW102":                 {v2.Code_ILLEGAL_TOPIC, "cannot access system topic"},
		"rmq_sys_x":              {v2.Code_ILLEGAL_TOPIC, "cannot access system topic"},
		"DefaultCluster":         {v2.Code_ILLEGAL_TOPIC, "cannot access system topic"},
	}
	inBubble(t, func(r *rig) {
		for topic, want := range tests {
			st, queues := r.route(topic)
			r.Equal(want.code, st.GetCode(), topic)
			r.Equal(want.text, st.GetMessage())
			r.Empty(queues)
		}
	})
}

func TestAssignment_IsOneForAllQueuesUnlessTheGroupIsOrdered(t *testing.T) {
	inBubble(t, func(r *rig) {
		ids := func(topic, group string) (v2.Code, []int32) {
			answer, err := r.stub.QueryAssignment(r.ctx, &v2.QueryAssignmentRequest{Topic: resource(topic), Group: resource(group)})
			r.NoError(err)
			var all []int32
			for _, a := range answer.GetAssignments() {
				all = append(all, a.GetMessageQueue().GetId())
				r.Empty(a.GetMessageQueue().GetAcceptMessageTypes())
			}
			return answer.GetStatus().GetCode(), all
		}
		tests := []struct {
			topic, group string
			code         v2.Code
			ids          []int32
		}{
			{"N4", "G", v2.Code_OK, []int32{-1}},
			{"N4", "unknown", v2.Code_OK, []int32{-1}},
			{"F4", "O", v2.Code_OK, []int32{0, 1, 2, 3}},
			{"F4", "CID_RMQ_SYS_X", v2.Code_ILLEGAL_CONSUMER_GROUP, nil},
			{"X", "G", v2.Code_TOPIC_NOT_FOUND, nil},
			{"a b", "G", v2.Code_ILLEGAL_TOPIC, nil},
			{"WO", "G", v2.Code_FORBIDDEN, nil},
		}
		for _, test := range tests {
			code, got := ids(test.topic, test.group)
			r.Equal(test.code, code, test)
			r.Equal(test.ids, got, test)
		}
	})
}

func TestService_NeedsAClientIDForAllItAnswers(t *testing.T) {
	inBubble(t, func(r *rig) {
		ctx := context.Background()
		answers := map[string]func() (interface{ GetStatus() *v2.Status }, error){
			"route":      func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.QueryRoute(ctx, nil) },
			"assignment": func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.QueryAssignment(ctx, nil) },
			"send":       func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.SendMessage(ctx, nil) },
			"ack":        func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.AckMessage(ctx, nil) },
			"change": func() (interface{ GetStatus() *v2.Status }, error) {
				return r.stub.ChangeInvisibleDuration(ctx, nil)
			},
			"forward": func() (interface{ GetStatus() *v2.Status }, error) {
				return r.stub.ForwardMessageToDeadLetterQueue(ctx, nil)
			},
			"end transaction": func() (interface{ GetStatus() *v2.Status }, error) {
				return r.stub.EndTransaction(ctx, nil)
			},
			"recall":    func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.RecallMessage(ctx, nil) },
			"heartbeat": func() (interface{ GetStatus() *v2.Status }, error) { return r.stub.Heartbeat(ctx, nil) },
			"termination": func() (interface{ GetStatus() *v2.Status }, error) {
				return r.stub.NotifyClientTermination(ctx, nil)
			},
		}
		for name, ask := range answers {
			answer, err := ask()
			r.NoError(err, name)
			r.Equal(v2.Code_CLIENT_ID_REQUIRED, answer.GetStatus().GetCode(), name)
		}
	})
}

func TestService_DoesNotPretendToWhatItLacks(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.stub.GetOffset(r.ctx, &v2.GetOffsetRequest{})
		r.Equal(codes.Unimplemented, status.Code(err))
		stream, err := r.stub.PullMessage(r.ctx, &v2.PullMessageRequest{})
		r.NoError(err)
		_, err = stream.Recv()
		r.Equal(codes.Unimplemented, status.Code(err))
	})
}
