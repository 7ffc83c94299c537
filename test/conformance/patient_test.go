package conformance

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

func TestPatient_RepeatsWhatTheServerThrottles(t *testing.T) {
	tooMany, busy := statusOf(v2.Code_TOO_MANY_REQUESTS, "flow limit"), statusOf(v2.Code_INTERNAL_SERVER_ERROR, "[PC_SYNCHRONIZED]broker busy")
	ok, refused := statusOf(v2.Code_OK, "OK"), statusOf(v2.Code_INTERNAL_SERVER_ERROR, "look message by offset failed")
	tests := map[string]struct {
		answers []proto.Message
		calls   int
	}{
		"taken":              {[]proto.Message{sent(ok)}, 1},
		"refused":            {[]proto.Message{sent(refused)}, 1},
		"throttled":          {[]proto.Message{sent(tooMany), sent(busy), sent(ok)}, 3},
		"throttled, refused": {[]proto.Message{sent(tooMany), sent(refused)}, 2},
		"not heard of":       {[]proto.Message{sent(statusOf(v2.Code_PROXY_TIMEOUT, "")), sent(ok)}, 2},
		"an entry throttled": {[]proto.Message{acked(ok, tooMany), acked(ok, refused)}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &busyServer{answers: test.answers}
				last := test.answers[len(test.answers)-1]
				reply := last.ProtoReflect().New().Interface()
				require.NoError(t, patient{server}.Invoke(t.Context(), "", nil, reply))
				require.Equal(t, test.calls, server.calls)
				require.True(t, proto.Equal(last, reply), "%v", reply)
			})
		})
	}
}

func TestPatient_GivesWhatTheServerSaidLastAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		server, reply := &busyServer{answers: []proto.Message{sent(statusOf(v2.Code_TOO_MANY_REQUESTS, ""))}}, new(v2.SendMessageResponse)
		require.NoError(t, patient{server}.Invoke(ctx, "", nil, reply))
		require.Equal(t, v2.Code_TOO_MANY_REQUESTS, reply.GetStatus().GetCode())
		require.Greater(t, server.calls, 30)
	})
}

// busyServer gives its answers one after the other, the last of them again and again.
type busyServer struct {
	grpc.ClientConnInterface
	answers []proto.Message
	calls   int
}

func (s *busyServer) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	answer := s.answers[min(s.calls, len(s.answers)-1)]
	s.calls++
	proto.Reset(reply.(proto.Message))
	proto.Merge(reply.(proto.Message), answer)
	return nil
}

func statusOf(code v2.Code, message string) *v2.Status {
	return &v2.Status{Code: code, Message: message}
}

func sent(s *v2.Status) proto.Message { return &v2.SendMessageResponse{Status: s} }

func acked(entries ...*v2.Status) proto.Message {
	resp := &v2.AckMessageResponse{Status: statusOf(v2.Code_MULTIPLE_RESULTS, "")}
	for _, s := range entries {
		resp.Entries = append(resp.Entries, &v2.AckMessageResultEntry{Status: s})
	}
	return resp
}
