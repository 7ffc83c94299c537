package client_test

import (
	"context"
	"errors"
	"io"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

// instant answers sends without a network, so that what is measured is the client.
type instant struct{ route *v2.QueryRouteResponse }

func (i instant) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	switch method {
	case v2.MessagingService_QueryRoute_FullMethodName:
		a := reply.(*v2.QueryRouteResponse)
		a.Status, a.MessageQueues = i.route.Status, i.route.MessageQueues
	case v2.MessagingService_SendMessage_FullMethodName:
		reply.(*v2.SendMessageResponse).Status = i.route.Status
	default:
		return errors.New("not here")
	}
	return nil
}

func (i instant) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("not here")
}

// forgetful loses the first answer, and keeps what it was sent.
type forgetful struct {
	instant
	kept *[]*v2.Message
}

func (f forgetful) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	if q, ok := request.(*v2.SendMessageRequest); ok {
		*f.kept = append(*f.kept, q.GetMessages()...)
		if len(*f.kept) == 1 {
			return status.Error(codes.Unavailable, "lost")
		}
	}
	return f.instant.Invoke(ctx, method, request, reply, opts...)
}

// What carries an attempt may go on reading its message after the attempt has been given up.
func TestSend_NeverChangesAMessageOfAnEarlierAttempt(t *testing.T) {
	var kept []*v2.Message
	p := producerOver(t, forgetful{instant{routeOver("orders", single...)}, &kept})
	_, err := p.Send(t.Context(), message("orders", "x"))
	require.NoError(t, err)
	require.Len(t, kept, 2)
	require.NotSame(t, kept[0], kept[1])
	require.NotSame(t, kept[0].SystemProperties, kept[1].SystemProperties)
	require.Equal(t, kept[0].SystemProperties.MessageId, kept[1].SystemProperties.MessageId)
}

func instantProducer(tb testing.TB) *client.Producer {
	tb.Helper()
	p := producerOver(tb, instant{routeOver("orders", single...)})
	_, err := p.Send(context.Background(), message("orders", "x"))
	require.NoError(tb, err)
	return p
}

func producerOver(tb testing.TB, cc grpc.ClientConnInterface) *client.Producer {
	tb.Helper()
	c, err := client.New(single[0], client.WithCredentials("ak", "sk"),
		client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) { return cc, nil, nil }))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	p, err := c.NewProducer()
	require.NoError(tb, err)
	return p
}

// The figure is of the client alone. A request costs grpc some hundred allocations more.
func TestSend_AllocatesLittle(t *testing.T) {
	p, m := instantProducer(t), message("orders", "x")
	allocs := testing.AllocsPerRun(200, func() { _, _ = p.Send(context.Background(), m) })
	require.LessOrEqual(t, allocs, 15.0)
}

func BenchmarkSend(b *testing.B) {
	p, m := instantProducer(b), message("orders", "x")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Send(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendAsync(b *testing.B) {
	p, m := instantProducer(b), message("orders", "x")
	b.ReportAllocs()
	for b.Loop() {
		p.SendAsync(context.Background(), m, func(_ client.Receipt, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	require.NoError(b, p.Flush(context.Background()))
}
