package broker

import (
	"context"
	"strconv"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// passing gives a send of so many messages that passes a gate, to a service that does nothing.
func passing(g *gate, messages int) func() error {
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-mq-client-id", "client"))
	req := &v2.SendMessageRequest{}
	for i := range messages {
		req.Messages = append(req.Messages, &v2.Message{
			Topic: &v2.Resource{Name: "N"}, SystemProperties: &v2.SystemProperties{MessageId: strconv.Itoa(i)},
		})
	}
	answer := &v2.SendMessageResponse{Status: statusOf(nil)}
	info := &grpc.UnaryServerInfo{FullMethod: v2.MessagingService_SendMessage_FullMethodName}
	handle := func(context.Context, any) (any, error) { return answer, nil }
	return func() error {
		_, err := g.unary(ctx, req, info, handle)
		return err
	}
}

func TestGate_AllocatesNoMoreThanTheNamesOfAClientAndOfMessages(t *testing.T) {
	send := passing(newGate(Options{CallLog: 8}, newScheduler()), 32)
	allocs := testing.AllocsPerRun(100, func() { require.NoError(t, send()) })
	require.LessOrEqual(t, allocs, 2.0)
	send = passing(newGate(Options{CallLog: -1}, newScheduler()), 32)
	require.Zero(t, testing.AllocsPerRun(100, func() { require.NoError(t, send()) }), "nobody looks")
}

// BenchmarkGate is what a call costs more for being logged, by its messages.
func BenchmarkGate(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run("messages="+strconv.Itoa(n), func(b *testing.B) {
			send := passing(newGate(Options{}, newScheduler()), n)
			b.ReportAllocs()
			for b.Loop() {
				if err := send(); err != nil { // require costs as much
					b.Fatal(err)
				}
			}
		})
	}
}
