package client_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// A lossy connection loses requests about messages, and answers to them, in whole or from some frame on.
type lossy struct {
	*grpc.ClientConn
	*dice
}

var errLost = status.Error(codes.Unavailable, "lost")

// Invoke loses some requests, and some answers.
func (l lossy) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	settles := method == v2.MessagingService_AckMessage_FullMethodName ||
		method == v2.MessagingService_ChangeInvisibleDuration_FullMethodName
	if settles && l.falls(0.1) {
		return errLost
	}
	if err := l.ClientConn.Invoke(ctx, method, request, reply, opts...); err != nil || !settles {
		return err
	}
	if l.falls(0.1) {
		return errLost
	}
	return nil
}

// NewStream makes streams that lose frames.
func (l lossy) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := l.ClientConn.NewStream(ctx, d, method, opts...)
	if err != nil || method != v2.MessagingService_ReceiveMessage_FullMethodName {
		return s, err
	}
	return lossyStream{s, l.dice}, nil
}

type lossyStream struct {
	grpc.ClientStream
	*dice
}

// RecvMsg loses a frame, and with it what follows.
func (s lossyStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	if s.falls(0.02) {
		return errLost
	}
	return nil
}

// dice may be thrown by several goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) falls(probability float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64() < probability
}

func (d *dice) upTo(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.rng.Int64N(int64(most)))
}

// sequence checks the order of a message group.
type sequence struct {
	next int // the first that has not been consumed
	busy bool
}

func TestPushConsumer_KeepsOrderWhateverIsLost(t *testing.T) {
	const groups, each = 8, 12
	for name, opts := range map[string][]client.PushOption{
		"by queue": nil, "by message group": {client.WithFIFOAccelerator()},
		"with short leases":                   {client.WithInvisibleDuration(10 * time.Second)},
		"by message group, with short leases": {client.WithFIFOAccelerator(), client.WithInvisibleDuration(10 * time.Second)},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := brokertest.New(t, standard)
					r := &rig{t, b, newClient(t, b)}
					for i := range groups {
						var bodies []string
						for j := range each {
							bodies = append(bodies, fmt.Sprint(j))
						}
						r.sendGroup("steps", fmt.Sprint(i), bodies...)
					}
					d := &dice{rng: rand.New(rand.NewPCG(seed, 1))}
					c, err := client.New(b.Endpoint(), client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
						cc, err := grpc.NewClient("passthrough:///"+b.Endpoint(), grpc.WithContextDialer(b.Dialer()),
							grpc.WithTransportCredentials(insecure.NewCredentials()))
						return lossy{cc, d}, cc, err
					}))
					require.NoError(t, err)
					defer func() { require.NoError(t, c.Close()) }()

					var mu sync.Mutex
					consumed, wrong := 0, []string(nil)
					sequences := make(map[string]*sequence)
					begin := func(m *client.Message) (s *sequence, n int) {
						mu.Lock()
						defer mu.Unlock()
						if s = sequences[m.MessageGroup]; s == nil {
							s = &sequence{}
							sequences[m.MessageGroup] = s
						}
						_, err := fmt.Sscan(string(m.Body), &n)
						if err != nil || n > s.next || s.busy {
							wrong = append(wrong, fmt.Sprintf("%d of %s while at %d, busy: %v", n, m.MessageGroup, s.next, s.busy))
						}
						s.busy = true
						return s, n
					}
					pc, err := c.NewPushConsumer("O", everything("steps"), func(_ context.Context, m *client.Message) error {
						s, n := begin(m)
						time.Sleep(d.upTo(3 * time.Second))
						mu.Lock()
						defer mu.Unlock()
						s.busy = false
						if d.falls(0.1) {
							return errHandler
						}
						if n == s.next {
							s.next++
							consumed++
						}
						return nil
					}, opts...)
					require.NoError(t, err)
					start(t, pc)
					for range 600 {
						time.Sleep(10 * time.Second)
						mu.Lock()
						done := consumed == groups*each
						mu.Unlock()
						if done {
							break
						}
					}
					mu.Lock()
					defer mu.Unlock()
					require.Empty(t, wrong)
					require.Equal(t, groups*each, consumed, "dead letters: %v", r.stored("%DLQ%O"))
				})
			})
		}
	}
}
