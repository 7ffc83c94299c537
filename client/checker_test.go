package client_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// A checking server answers settings, keeps the topics that were announced, and asks about the
// transactions that a test puts into ask.
type checking struct {
	ask chan *v2.TelemetryCommand

	mu     sync.Mutex // guards topics
	topics []string   // of the last announcement
}

func (n *network) checking(address string) *checking {
	c := &checking{ask: make(chan *v2.TelemetryCommand, 100)}
	n.at(address).telemetry = func(s telemetryServer) error {
		gone := make(chan struct{})
		var sending sync.Mutex
		go func() {
			defer close(gone)
			_ = answerSettings(func(settings *v2.Settings) *v2.Settings {
				c.announced(settings)
				return settings
			})(&serial{s, &sending})
		}()
		for {
			select {
			case command := <-c.ask:
				if err := (&serial{s, &sending}).Send(command); err != nil {
					return err
				}
			case <-gone:
				return nil
			}
		}
	}
	return c
}

// serial is a stream to which several may send.
type serial struct {
	telemetryServer
	sending *sync.Mutex
}

func (s *serial) Send(c *v2.TelemetryCommand) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.telemetryServer.Send(c)
}

func (c *checking) announced(s *v2.Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics = nil
	for _, topic := range s.GetPublishing().GetTopics() {
		c.topics = append(c.topics, topic.GetName())
	}
	slices.Sort(c.topics)
}

func (c *checking) known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics
}

func TestChecker_DecidesOnTheEndpointThatAsks(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		asking := n.checking(pair[1])
		silent, answered := n.logEnds(pair[0]), n.logEnds(pair[1])
		var seen sync.Map
		p := n.producer(client.WithTransactionChecker(func(_ context.Context, m *client.Message) client.Resolution {
			seen.Store(m.ID, string(m.Body))
			return map[string]client.Resolution{
				"good": client.ResolutionCommit, "bad": client.ResolutionRollback, "open": client.ResolutionUnknown, "odd": 47,
			}[m.ID]
		}))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		for _, id := range []string{"good", "bad", "open", "odd"} {
			command := recoverCommand(id)
			command.GetRecoverOrphanedTransactionCommand().GetMessage().GetSystemProperties().TraceContext = new("trace of " + id)
			asking.ask <- command
		}
		synctest.Wait()
		got := make(map[string]*v2.EndTransactionRequest)
		for _, q := range answered.all() {
			got[q.GetTransactionId()] = q
			require.Equal(n, q.GetTransactionId(), q.GetMessageId())
			require.Equal(n, "orders", q.GetTopic().GetName())
			require.Equal(n, v2.TransactionSource_SOURCE_SERVER_CHECK, q.GetSource())
			require.Equal(n, "trace of "+q.GetMessageId(), q.GetTraceContext())
		}
		require.Len(n, got, 2, "nothing is said of what is not known")
		require.Equal(n, v2.TransactionResolution_COMMIT, got["good"].GetResolution())
		require.Equal(n, v2.TransactionResolution_ROLLBACK, got["bad"].GetResolution())
		require.Empty(n, silent.all())
		for _, id := range []string{"good", "bad", "open", "odd"} {
			body, _ := seen.Load(id)
			require.NotEmpty(n, body)
		}
	})
}

func TestChecker_MayPanic(t *testing.T) {
	var log strings.Builder
	onNetwork(t, single, func(n *network) {
		asking, ends := n.checking(single[0]), n.logEnds(single[0])
		p := n.producer(client.WithTransactionChecker(func(_ context.Context, m *client.Message) client.Resolution {
			if m.ID == "bad" {
				panic("the database is gone")
			}
			return client.ResolutionCommit
		}))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		asking.ask <- recoverCommand("bad")
		synctest.Wait()
		require.Empty(n, ends.all())
		asking.ask <- recoverCommand("good")
		synctest.Wait()
		require.Len(n, ends.all(), 1)
	}, client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.Contains(t, log.String(), "the database is gone")
	require.Contains(t, log.String(), "checker_test.go", "the stack")
}

func TestChecker_RunsBoundedAndHoldsUpNothing(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		asking, ends := n.checking(single[0]), n.logEnds(single[0])
		var running, most, given atomic.Int32
		p := n.producer(client.WithTransactionChecker(func(ctx context.Context, _ *client.Message) client.Resolution {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done() // it never knows
			given.Add(1)
			return client.ResolutionCommit
		}))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		for range 20 {
			asking.ask <- recoverCommand("tx")
		}
		synctest.Wait()
		require.EqualValues(n, 8, most.Load())
		_, err = p.Send(n.Context(), message("bills", "x"))
		require.NoError(n, err)
		synctest.Wait()
		require.Equal(n, []string{"bills", "orders"}, asking.known(), "the session goes on meanwhile")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.EqualValues(n, 8, given.Load(), "the answer would come too late")
		require.Empty(n, ends.all(), "and is not given")

		start := time.Now()
		require.NoError(n, p.Close())
		require.Equal(n, client.DefaultRequestTimeout, time.Since(start))
		require.EqualValues(n, 16, given.Load(), "running ones are waited for, those in line not begun")
	})
}

func TestChecker_IsReachableForWhatARunBeforeLeft(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		asking, ends := n.checking(single[0]), n.logEnds(single[0])
		inner := n.at(single[0]).route
		n.at(single[0]).route = func(_ context.Context, _ *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			return &v2.QueryRouteResponse{Status: code(v2.Code_TOPIC_NOT_FOUND)}, nil
		}
		commit := func(context.Context, *client.Message) client.Resolution { return client.ResolutionCommit }
		p := n.producer(client.WithTopics("orders", "bills"), client.WithTransactionChecker(commit))
		time.Sleep(time.Minute)
		require.Empty(n, asking.known())
		n.at(single[0]).script(func() { n.at(single[0]).route = inner })
		time.Sleep(time.Minute)
		require.Equal(n, []string{"bills", "orders"}, asking.known())
		asking.ask <- recoverCommand("tx")
		synctest.Wait()
		require.Len(n, ends.all(), 1)
		require.NoError(n, p.Close())

		n.at(single[0]).script(func() { n.at(single[0]).route = nil }) // is not called
		n.producer(client.WithTopics("orders"))
		synctest.Wait()
	})
}

func TestChecker_DoesNotHoldUpClosing(t *testing.T) {
	missing := func(context.Context, *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
		return &v2.QueryRouteResponse{Status: code(v2.Code_TOPIC_NOT_FOUND)}, nil
	}
	silent := func(ctx context.Context, _ *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, route := range []func(context.Context, *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error){missing, silent} {
		onNetwork(t, single, func(n *network) {
			n.at(single[0]).route = route
			p := n.producer(client.WithTopics("orders"), client.WithTransactionChecker(undecided))
			time.Sleep(time.Second)
			start := time.Now()
			require.NoError(n, p.Close())
			require.Zero(n, time.Since(start))
		})
	}
}

func TestProducer_AnnouncesATopicAtOnce(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := n.checking(single[0])
		p := n.producer(client.WithTopics("later"))
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		synctest.Wait()
		require.Equal(n, []string{"later", "orders"}, server.known())
		_, err = p.Send(n.Context(), message("bills", "x"))
		require.NoError(n, err)
		synctest.Wait() // and no time passes
		require.Equal(n, []string{"bills", "later", "orders"}, server.known())
	})
}
