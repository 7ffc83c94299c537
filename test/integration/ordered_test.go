package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// sequences is what a pipeline made of numbered messages of several message groups.
type sequences struct {
	*ledger
	fails func(m *client.Message, failures int) bool // tells whether a message fails once more

	mu       sync.Mutex
	failures map[string]int      // by message group and number
	attempts map[string][]int    // as the pipeline saw them, likewise
	first    map[string][]string // the first success of each number, by message group
}

func newSequences(fails func(m *client.Message, failures int) bool) *sequences {
	return &sequences{
		ledger: newLedger(), fails: fails,
		failures: make(map[string]int), attempts: make(map[string][]int), first: make(map[string][]string),
	}
}

// loadSequences sends numbered messages of several message groups, in turn.
func loadSequences(t *testing.T, c *client.Client, topic string, groups, each int) {
	t.Helper()
	messages := make([]*client.Message, 0, groups*each)
	for i := range groups * each {
		messages = append(messages, &client.Message{
			Body: fmt.Append(nil, i/groups), MessageGroup: fmt.Sprint("g", i%groups),
		})
	}
	require.NoError(t, flow.From(sources.Slice(messages)).To(sinks.RocketMQ(c, topic)).Run(limited(t)))
}

// write is the function of a sink.
func (s *sequences) write(_ context.Context, m *client.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := string(m.Body)
	id := m.MessageGroup + "/" + body
	s.attempts[id] = append(s.attempts[id], m.Attempt+s.failures[id])
	if s.fails(m, s.failures[id]) {
		s.failures[id]++
		return errors.New("fails for now")
	}
	if !slices.Contains(s.first[m.MessageGroup], body) {
		s.first[m.MessageGroup] = append(s.first[m.MessageGroup], body)
	}
	s.ledger.write(m.ID)
	return nil
}

// requireOrder fails unless each message group was written in order, and nothing acknowledged before.
func (s *sequences) requireOrder(t *testing.T, groups, each int) {
	t.Helper()
	want := make([]string, each)
	for i := range want {
		want[i] = fmt.Sprint(i)
	}
	for i := range groups {
		require.Equal(t, want, s.first[fmt.Sprint("g", i)])
	}
	require.Empty(t, s.early)
}

func newRecorded(t *testing.T, g *target.Target, connect client.ConnectFunc) *client.Client {
	t.Helper()
	c, err := client.New(g.Endpoint(), client.WithConnect(connect))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestPipeline_KeepsMessageGroupsInOrderThroughFailures(t *testing.T) {
	t.Parallel()
	const groups, each = 3, 20
	g := target.New(t)
	topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroup(t, true, 16)
	loadSequences(t, newClient(t, g), topic, groups, each)

	s := newSequences(func(m *client.Message, failures int) bool { return string(m.Body) == "7" && failures == 0 })
	p := flow.From(sources.RocketMQ(newRecorded(t, g, s.connect), topic, group)).To(sinks.Func(s.write))
	run(t, p, func(ctx context.Context) error { return s.untilAcked(ctx, groups*each) })
	s.requireOrder(t, groups, each)
}

// The source keeps a failed message under its lease, while it polls for others.
func TestPipeline_WaitsInOrderForLongerThanAPoll(t *testing.T) {
	t.Parallel()
	const groups, each, failures = 3, 5, 3
	g := target.New(t)
	wait := 300 * time.Millisecond // the embedded broker waits for long in the tests of the source, in virtual time
	if g.IsReal() {
		wait = shortPoll + 2*time.Second
	}
	topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroupLike(t, target.Group{
		Ordered: true, RetryMaxTimes: 16, Retry: &target.Exponential{Initial: wait, Max: wait, Multiplier: 1},
	})
	loadSequences(t, newClient(t, g), topic, groups, each)

	polls := &polls{ledger: newLedger()}
	var during []int64 // polls so far, at each attempt
	s := newSequences(func(m *client.Message, failed int) bool {
		if m.MessageGroup != "g0" || string(m.Body) != "2" {
			return false
		}
		during = append(during, polls.begun.Load())
		return failed < failures
	})
	s.ledger = polls.ledger
	p := flow.From(sources.RocketMQ(newRecorded(t, g, polls.connect), topic, group)).To(sinks.Func(s.write))
	run(t, p, func(ctx context.Context) error { return s.untilAcked(ctx, groups*each) })

	s.requireOrder(t, groups, each)
	require.Len(t, during, failures+1)
	if g.IsReal() {
		for i := range failures {
			require.Greater(t, during[i+1], during[i], "it waited through the end of a poll: %v", during)
		}
	}
	for id, attempts := range s.attempts {
		if id == "g0/2" {
			require.Equal(t, []int{1, 2, 3, 4}, attempts, "the server has not delivered it again")
			continue
		}
		require.Equal(t, []int{1}, attempts, "%s was not tried in vain", id)
	}
	require.Eventually(t, func() bool {
		backlog, err := g.Backlog(t.Context(), group, topic)
		return err == nil && backlog == 0
	}, patience, 50*time.Millisecond)
}

func TestPipeline_HandsBackInOrderWhatWaitsWhenItIsDrained(t *testing.T) {
	t.Parallel()
	const groups, each = 3, 5
	g := target.New(t)
	// Neither the wait nor the lease ends within the test.
	wait, lease := 10*time.Minute, time.Hour
	topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroupLike(t, target.Group{
		Ordered: true, RetryMaxTimes: 16, Retry: &target.Exponential{Initial: wait, Max: wait, Multiplier: 1},
	})
	loadSequences(t, newClient(t, g), topic, groups, each)

	s := newSequences(func(m *client.Message, failures int) bool {
		return m.MessageGroup == "g0" && string(m.Body) == "2" && failures == 0
	})
	pipeline := func() *flow.Pipeline {
		src := sources.RocketMQ(newRecorded(t, g, s.connect), topic, group, sources.WithInvisible(lease))
		return flow.From(src).To(sinks.Func(s.write))
	}
	const behind = each - 2 // of g0, the failed one included
	run(t, pipeline(), func(ctx context.Context) error { return s.untilAcked(ctx, groups*each-behind) })
	require.Equal(t, []string{"0", "1"}, s.first["g0"])
	run(t, pipeline(), func(ctx context.Context) error { return s.untilAcked(ctx, groups*each) })
	s.requireOrder(t, groups, each)
	require.Equal(t, 1, s.failures["g0/2"])
}

// shortPoll is the shortest poll that a server allows.
const shortPoll = 5 * time.Second

// polls makes connections on which polls are short, and counted.
type polls struct {
	*ledger
	begun atomic.Int64
}

func (p *polls) connect(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(p.watch),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			stream, err := streamer(ctx, desc, cc, method, opts...)
			return shortened{stream, p}, err
		}))
	return conn, conn, err
}

// shortened is a stream of a poll, or of something else.
type shortened struct {
	grpc.ClientStream
	polls *polls
}

func (s shortened) SendMsg(m any) error {
	if poll, ok := m.(*v2.ReceiveMessageRequest); ok {
		s.polls.begun.Add(1)
		poll.LongPollingTimeout = durationpb.New(shortPoll)
	}
	return s.ClientStream.SendMsg(m)
}
