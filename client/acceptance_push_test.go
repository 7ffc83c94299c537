package client_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// through runs a test against a broker in a bubble, reached by connections with interceptors.
func through(t *testing.T, opts []grpc.DialOption, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, standard)
		c, err := client.New(b.Endpoint(), client.WithConnect(connecting(b, opts)))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		test(&rig{t, b, c})
	})
}

func connecting(b *broker.Broker, opts []grpc.DialOption) client.ConnectFunc {
	return func(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
		cc, err := grpc.NewClient("passthrough:///"+endpoint, append([]grpc.DialOption{
			grpc.WithContextDialer(b.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()),
		}, opts...)...)
		return cc, cc, err
	}
}

func TestAcceptance01_AMessageThatFailsHoldsBackThoseBehindIt(t *testing.T) {
	for name, opts := range map[string][]client.PushOption{"by queue": nil, "by group": {client.WithFIFOAccelerator()}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.sendGroup("steps", "g", "m1", "m2", "m3")
				var seen journal
				r.push("O", []string{"steps"}, func(_ context.Context, m *client.Message) error {
					stats, err := r.broker.GroupStats("O")
					require.NoError(r, err)
					seen.add("%s after %d", m.Body, stats.Acked)
					if string(m.Body) == "m1" && m.Attempt == 1 {
						return errors.New("not yet")
					}
					return nil
				}, opts...)
				time.Sleep(time.Minute)
				require.Equal(r, []string{"m1 after 0", "m1 after 0", "m2 after 1", "m3 after 2"}, seen.all())
			})
		})
	}
}

// losing loses the messages of the first answers to polls.
type losing struct {
	grpc.ClientStream
	left *atomic.Int32
}

func (l losing) RecvMsg(m any) error {
	err := l.ClientStream.RecvMsg(m)
	if frame, ok := m.(*v2.ReceiveMessageResponse); ok && err == nil && frame.GetMessage() != nil && l.left.Add(-1) >= 0 {
		return status.Error(codes.Unavailable, "lost")
	}
	return err
}

func TestAcceptance02_AnAnswerThatGotLostIsGivenAgainAtOnce(t *testing.T) {
	var left atomic.Int32
	left.Store(2)
	lossy := grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := streamer(ctx, d, cc, method, opts...)
		return losing{s, &left}, err
	})
	through(t, []grpc.DialOption{lossy}, func(r *rig) {
		r.sendGroup("steps", "g", "a", "b")
		var seen journal
		r.push("O", []string{"steps"}, func(_ context.Context, m *client.Message) error {
			seen.add("%s/%d", m.Body, m.Attempt)
			return nil
		})
		time.Sleep(15 * time.Second) // a lease is a minute
		require.Equal(r, []string{"a/1", "b/1"}, seen.all())
		require.Negative(r, left.Load())
	})
}

func TestAcceptance03_AnExpiredReceiptEndsTheMatterAndFreesItsRoom(t *testing.T) {
	inBubble(t, func(r *rig) {
		var seen journal
		r.push("G", []string{"bills"}, func(_ context.Context, m *client.Message) error {
			seen.add("%s/%d", m.Body, m.Attempt)
			if m.Attempt == 1 && string(m.Body) != "last" {
				time.Sleep(20 * time.Second) // longer than its lease
				if string(m.Body) == "fails" {
					return errors.New("not yet")
				}
			}
			return nil
		}, client.WithCacheLimit(1, 1<<20), client.WithInvisibleDuration(10*time.Second))
		r.send("bills", "slow", "fails", "last")
		time.Sleep(5 * time.Minute)
		require.ElementsMatch(r, []string{"slow/1", "slow/2", "fails/1", "fails/2", "last/1"}, seen.all())
	})
}

func TestAcceptance07_APushConsumerGoesOnWithinFiveSecondsOfARestart(t *testing.T) {
	for _, outage := range []time.Duration{5 * time.Second, time.Minute, time.Hour} {
		t.Run(outage.String(), func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				s := n.counterAt(single[0], false)
				n.push(s.see)
				time.Sleep(time.Second)
				n.stop(single[0])
				time.Sleep(outage)
				n.start(single[0], newScripted(single))
				back := n.counterAt(single[0], false)
				back.give(nil, ids("a")...)
				time.Sleep(5 * time.Second)
				require.Equal(n, []string{"ack a"}, back.all())
			})
		})
	}
}

func TestAcceptance10_WhatIsAssignedStaysSoWhenItCannotBeAskedFor(t *testing.T) {
	var asked atomic.Int32
	failing := grpc.WithUnaryInterceptor(func(ctx context.Context, method string, q, a any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if method == v2.MessagingService_QueryAssignment_FullMethodName && asked.Add(1) > 1 {
			return status.Error(codes.Unavailable, "ill")
		}
		return invoke(ctx, method, q, a, cc, opts...)
	})
	through(t, []grpc.DialOption{failing}, func(r *rig) {
		var seen journal
		r.push("G", []string{"orders"}, seen.see)
		time.Sleep(time.Minute)
		require.Greater(r, asked.Load(), int32(2))
		r.send("orders", "a")
		synctest.Wait()
		require.Equal(r, []string{"a"}, seen.all())
	})
}
