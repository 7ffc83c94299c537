package client_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/client"
)

type receiveServer = grpc.ServerStreamingServer[v2.ReceiveMessageResponse]

func statusFrame(s *v2.Status) *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Status{Status: s}}
}

func messageFrame(id string, change ...func(*v2.Message)) *v2.ReceiveMessageResponse {
	m := &v2.Message{
		Topic: &v2.Resource{Name: "orders"}, Body: []byte("body of " + id),
		SystemProperties: &v2.SystemProperties{MessageId: id, ReceiptHandle: new("handle of " + id)},
	}
	for _, c := range change {
		c(m)
	}
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_Message{Message: m}}
}

func timeFrame() *v2.ReceiveMessageResponse {
	return &v2.ReceiveMessageResponse{Content: &v2.ReceiveMessageResponse_DeliveryTimestamp{DeliveryTimestamp: timestamppb.Now()}}
}

// frames answers every poll with these, and then with the error.
func frames(end error, all ...*v2.ReceiveMessageResponse) func(*v2.ReceiveMessageRequest, receiveServer) error {
	return func(_ *v2.ReceiveMessageRequest, s receiveServer) error {
		for _, f := range all {
			if err := s.Send(f); err != nil {
				return err
			}
		}
		return end
	}
}

func TestReceive_UnderstandsEveryAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*v2.ReceiveMessageRequest, receiveServer) error
		ids    []string
		kind   error
	}{
		"status first":           {frames(nil, statusFrame(ok()), messageFrame("a"), messageFrame("b"), timeFrame()), []string{"a", "b"}, nil},
		"status last":            {frames(nil, timeFrame(), messageFrame("a"), statusFrame(ok())), []string{"a"}, nil},
		"multiple results":       {frames(nil, statusFrame(code(v2.Code_MULTIPLE_RESULTS)), messageFrame("a")), []string{"a"}, nil},
		"messages, no status":    {frames(nil, messageFrame("a")), []string{"a"}, nil},
		"messages, then broken":  {frames(status.Error(codes.Internal, "oh"), messageFrame("a")), []string{"a"}, nil},
		"messages, bad status":   {frames(nil, messageFrame("a"), statusFrame(code(v2.Code_INTERNAL_SERVER_ERROR))), []string{"a"}, nil},
		"none":                   {frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)), timeFrame()), nil, nil},
		"none, said with OK":     {frames(nil, statusFrame(ok())), nil, nil},
		"nothing at all":         {frames(nil), nil, client.ErrBadAnswer},
		"empty frames":           {frames(nil, &v2.ReceiveMessageResponse{}, statusFrame(nil)), nil, client.ErrBadAnswer},
		"busy":                   {frames(nil, statusFrame(code(v2.Code_TOO_MANY_REQUESTS))), nil, client.ErrThrottled},
		"busy, said by grpc":     {frames(status.Error(codes.ResourceExhausted, "x")), nil, client.ErrThrottled},
		"unknown code":           {frames(nil, statusFrame(code(v2.Code(777)))), nil, client.ErrBadRequest},
		"no such method":         {frames(status.Error(codes.Unimplemented, "x")), nil, client.ErrUnsupported},
		"illegal filter":         {frames(nil, statusFrame(code(v2.Code_ILLEGAL_FILTER_EXPRESSION))), nil, client.ErrIllegalFilter},
		"polling time too short": {frames(nil, statusFrame(code(v2.Code_ILLEGAL_POLLING_TIME))), nil, client.ErrIllegalPollingTime},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				n.at(single[0]).receive = c.answer
				got, err := n.consumer("orders").Receive(n.Context(), 32, time.Minute)
				require.ErrorIs(n, err, c.kind)
				var ids []string
				for _, d := range got {
					ids = append(ids, d.ID)
				}
				require.Equal(n, c.ids, ids)
			})
		})
	}
}

func TestReceive_LeavesTheServerItsTime(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		var left, polling time.Duration
		n.at(single[0]).receive = func(q *v2.ReceiveMessageRequest, s receiveServer) error {
			deadline, limited := s.Context().Deadline()
			require.True(n, limited)
			left, polling = time.Until(deadline), q.GetLongPollingTimeout().AsDuration()
			require.Equal(n, time.Minute, q.GetInvisibleDuration().AsDuration())
			require.False(n, q.GetAutoRenew())
			require.EqualValues(n, 7, q.GetBatchSize())
			return frames(nil, statusFrame(code(v2.Code_MESSAGE_NOT_FOUND)))(q, s)
		}
		for _, await := range []time.Duration{time.Second, 20 * time.Second} {
			c, err := n.client.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()}, client.WithAwait(await))
			require.NoError(n, err)
			ctx, cancel := context.WithTimeout(n.Context(), time.Second)
			_, err = c.Receive(ctx, 7, time.Minute)
			cancel()
			require.NoError(n, err)
			require.Equal(n, await, polling)
			require.Equal(n, max(await, 5*time.Second)+client.DefaultRequestTimeout, left)
		}
	})
}

func TestReceive_HandsBackWhatItsContextCutOff(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		s.receive = func(_ *v2.ReceiveMessageRequest, stream receiveServer) error {
			for _, f := range []*v2.ReceiveMessageResponse{statusFrame(ok()), messageFrame("a"), messageFrame("b")} {
				if err := stream.Send(f); err != nil {
					return err
				}
			}
			<-stream.Context().Done()
			return nil
		}
		var (
			mu     sync.Mutex
			handed []string
		)
		s.change = func(_ context.Context, q *v2.ChangeInvisibleDurationRequest) (*v2.ChangeInvisibleDurationResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			require.Zero(n, q.GetInvisibleDuration().AsDuration())
			require.True(n, q.GetSuspend())
			handed = append(handed, q.GetReceiptHandle())
			return &v2.ChangeInvisibleDurationResponse{Status: ok()}, nil
		}
		c := n.consumer("orders")
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		start := time.Now()
		got, err := c.Receive(ctx, 32, time.Minute)
		require.ErrorIs(n, err, context.DeadlineExceeded)
		require.Empty(n, got)
		require.Less(n, time.Since(start), 1100*time.Millisecond)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.ElementsMatch(n, []string{"handle of a", "handle of b"}, handed)
	})
}

func TestReceive_PassesOverAServerThatIsDown(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		n.stop(pair[1])
		n.at(pair[0]).receive = frames(nil, statusFrame(ok()), messageFrame("a"))
		c := n.consumer("orders")
		got := 0
		for range 6 {
			deliveries, err := c.Receive(n.Context(), 1, time.Minute)
			if err == nil {
				got += len(deliveries)
				continue
			}
			require.ErrorIs(n, err, client.ErrUnavailable)
			require.ErrorContains(n, err, pair[1])
		}
		require.GreaterOrEqual(n, got, 5)
	})
}

func TestReceive_DeliversABodyItCannotDecode(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		sum := md5.Sum([]byte("body of good"))
		n.at(single[0]).receive = frames(nil, statusFrame(ok()),
			messageFrame("good", func(m *v2.Message) {
				m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_MD5, Checksum: strings.ToUpper(hex.EncodeToString(sum[:]))}
			}),
			messageFrame("corrupt", func(m *v2.Message) {
				m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_MD5, Checksum: "00"}
			}),
			messageFrame("odd", func(m *v2.Message) { m.SystemProperties.BodyEncoding = v2.Encoding(9) }),
			messageFrame("bare", func(m *v2.Message) { m.SystemProperties = nil; m.Topic = nil }),
			messageFrame("leased", func(m *v2.Message) {
				m.SystemProperties.InvisibleDuration = durationpb.New(time.Hour)
				m.SystemProperties.DeliveryAttempt = new(int32(-4))
				m.SystemProperties.BornTimestamp = &timestamppb.Timestamp{Nanos: -1}
			}))
		got, err := n.consumer("orders").Receive(n.Context(), 32, time.Minute)
		require.NoError(n, err)
		require.Len(n, got, 5)
		require.NoError(n, got[0].Err)
		require.ErrorIs(n, got[1].Err, client.ErrCorrupted)
		require.Equal(n, "body of corrupt", string(got[1].Body))
		require.ErrorIs(n, got[2].Err, client.ErrUndecodable)
		require.Empty(n, got[3].ID)
		require.Equal(n, time.Now().Add(time.Hour), got[4].Expires())
		require.Zero(n, got[4].Attempt)
		require.True(n, got[4].BornTime.IsZero())
	})
}
