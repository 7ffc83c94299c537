package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// ledger is what happened to each message, by its id: how often it was written, and how often it
// was acknowledged before that.
type ledger struct {
	mu      sync.Mutex
	written map[string]int
	acked   map[string]int
	early   []string
	changed chan struct{}
}

func newLedger() *ledger {
	return &ledger{written: make(map[string]int), acked: make(map[string]int), changed: make(chan struct{}, 1)}
}

func (l *ledger) write(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written[id]++
}

func (l *ledger) ack(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written[id] == 0 {
		l.early = append(l.early, id)
	}
	l.acked[id]++
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// untilAcked waits until n messages have been acknowledged.
func (l *ledger) untilAcked(ctx context.Context, n int) error {
	for {
		l.mu.Lock()
		acked := len(l.acked)
		l.mu.Unlock()
		if acked >= n {
			return nil
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages acknowledged: %w", acked, n, ctx.Err())
		}
	}
}

// connect makes connections on which the ledger sees every acknowledgement before it leaves.
func (l *ledger) connect(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(l.watch))
	return conn, conn, err
}

// watch is the interceptor of unary calls.
func (l *ledger) watch(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if ack, ok := req.(*v2.AckMessageRequest); ok {
		for _, e := range ack.GetEntries() {
			l.ack(e.GetMessageId())
		}
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

func quickRetries() backoff.BackOff { return backoff.NewConstantBackOff(10 * time.Millisecond) }

// load sends n numbered messages through a pipeline.
func load(t *testing.T, c *client.Client, topic string, n int) {
	t.Helper()
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	p := flow.From(sources.Slice(numbers)).
		Map(func(i int) *client.Message {
			return &client.Message{Body: fmt.Append(nil, i), Keys: []string{fmt.Sprint(i)}}
		}).
		To(sinks.RocketMQ(c, topic), flow.Batched(32, 10*time.Millisecond))
	require.NoError(t, p.Run(limited(t)))
}

// run runs the pipeline until done returns, and drains it.
func run(t *testing.T, p *flow.Pipeline, done func(ctx context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	err := done(limited(t))
	stop()
	require.NoError(t, <-ran)
	require.NoError(t, err, "%+v", p.Snapshot())
}

func TestPipeline_AcksNothingThatASinkHasNotWritten(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name   string
		policy flow.Policy
	}{
		{"retried in the pipeline", flow.Retry(1000, quickRetries)},
		{"handed back to the server", flow.Nack()},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			const n = 200
			g := target.New(t)
			topic := g.CreateTopic(t, "NORMAL", 4)
			// The first redelivery comes after 1 s by the group's policy.
			group := g.CreateGroup(t, false, 16)
			load(t, newClient(t, g), topic, n)

			l := newLedger()
			c, err := client.New(g.Endpoint(), client.WithConnect(l.connect))
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()

			down := 100 // writes that fail
			sink := sinks.Func(func(_ context.Context, m *client.Message) error {
				if down--; down >= 0 {
					return errors.New("down")
				}
				l.write(m.ID)
				return nil
			})
			p := flow.From(sources.RocketMQ(c, topic, group)).To(sink, flow.OnWriteError(mode.policy))
			run(t, p, func(ctx context.Context) error { return l.untilAcked(ctx, n) })

			require.Empty(t, l.early, "acknowledged before they were written")
			require.Len(t, l.written, n)
			require.Eventually(t, func() bool {
				backlog, err := g.Backlog(t.Context(), group, topic)
				return err == nil && backlog == 0
			}, patience, 50*time.Millisecond)
		})
	}
}

func TestPipeline_HandsBackAtOnceWhatADrainCutsOff(t *testing.T) {
	t.Parallel()
	const n = 50
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	load(t, c, topic, n)

	ctx, stop := context.WithCancel(t.Context())
	stuck := flow.From(sources.RocketMQ(c, topic, group)).To(sinks.Func(func(ctx context.Context, _ *client.Message) error {
		stop()
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	var drain *flow.DrainError
	require.ErrorAs(t, stuck.Run(ctx, flow.WithDrainTimeout(100*time.Millisecond)), &drain)
	require.Positive(t, drain.HandedBack)

	l := newLedger()
	next, err := client.New(g.Endpoint(), client.WithConnect(l.connect))
	require.NoError(t, err)
	defer func() { require.NoError(t, next.Close()) }()
	again := flow.From(sources.RocketMQ(next, topic, group)).To(sinks.Func(func(_ context.Context, m *client.Message) error {
		if m.Attempt > 1 {
			return fmt.Errorf("attempt %d of a message that was not to blame", m.Attempt)
		}
		l.write(m.ID)
		return nil
	}))
	run(t, again, func(ctx context.Context) error { return l.untilAcked(ctx, n) })
	require.Len(t, l.written, n)
}

func TestPipeline_BuriesWhatFailsForGood(t *testing.T) {
	const n = 20
	g := target.New(t)
	topic, dead := g.CreateTopic(t, "NORMAL", 4), g.CreateTopic(t, "NORMAL", 1)
	group, watch := g.CreateGroup(t, false, 16), g.CreateGroup(t, false, 16)
	load(t, newClient(t, g), topic, n)
	l := newLedger()
	c, err := client.New(g.Endpoint(), client.WithConnect(l.connect))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	sink := sinks.Func(func(_ context.Context, m *client.Message) error {
		if string(m.Body) == "13" {
			return errors.New("unlucky")
		}
		return nil
	})
	p := flow.From(sources.RocketMQ(c, topic, group)).
		OnError(flow.Retry(2, quickRetries).Then(flow.DeadLetter(sinks.DeadLetterTopic(c, dead)))).
		To(sink)
	run(t, p, func(ctx context.Context) error { return l.untilAcked(ctx, n) })

	d := receive(t, newConsumer(t, newClient(t, g), watch, dead), 1)[0]
	require.Equal(t, "13", string(d.Body))
	require.Equal(t, []string{"13"}, d.Keys)
	require.NoError(t, d.Ack(limited(t)))
}
