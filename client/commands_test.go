package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// A commander answers settings, sends what a test puts into commands, and keeps the replies.
type commander struct {
	commands chan *v2.TelemetryCommand
	replies  chan *v2.TelemetryCommand
}

func newCommander(commands ...*v2.TelemetryCommand) *commander {
	c := &commander{make(chan *v2.TelemetryCommand, 2000), make(chan *v2.TelemetryCommand, 2000)}
	for _, command := range commands {
		c.commands <- command
	}
	return c
}

func (c *commander) serve(s telemetryServer) error {
	first, err := s.Recv()
	if err != nil {
		return err
	}
	if err := s.Send(first); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			reply, err := s.Recv()
			if err != nil {
				return
			}
			if reply.GetSettings() == nil {
				c.replies <- reply
			}
		}
	}()
	for {
		select {
		case command := <-c.commands:
			if err := s.Send(command); err != nil {
				return err
			}
		case <-gone:
			return nil
		}
	}
}

func verifyCommand(nonce string) *v2.TelemetryCommand {
	return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_VerifyMessageCommand{
		VerifyMessageCommand: &v2.VerifyMessageCommand{Nonce: nonce, Message: messageFrame(nonce).GetMessage()}}}
}

func recoverCommand(id string) *v2.TelemetryCommand {
	return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{
		RecoverOrphanedTransactionCommand: &v2.RecoverOrphanedTransactionCommand{
			TransactionId: id, Message: messageFrame(id).GetMessage()}}}
}

func liteCommand(topic string) *v2.TelemetryCommand {
	return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_NotifyUnsubscribeLiteCommand{
		NotifyUnsubscribeLiteCommand: &v2.NotifyUnsubscribeLiteCommand{LiteTopic: topic}}}
}

func stackCommand(nonce string) *v2.TelemetryCommand {
	return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_PrintThreadStackTraceCommand{
		PrintThreadStackTraceCommand: &v2.PrintThreadStackTraceCommand{Nonce: nonce}}}
}

func TestCommands_AreDoneByTheKindThatCan(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := newCommander(verifyCommand("good"), verifyCommand("bad"), recoverCommand("tx"), liteCommand("lite"))
		n.at(single[0]).telemetry = server.serve
		c := n.consumer("orders")
		var transaction, topic atomic.Value
		c.SetCommands(
			func(_ context.Context, m *v2.Message) error {
				if m.GetSystemProperties().GetMessageId() == "bad" {
					return errors.New(strings.Repeat("ä", 1000))
				}
				return nil
			},
			func(_ context.Context, from string, c *v2.RecoverOrphanedTransactionCommand) {
				transaction.Store(c.GetTransactionId() + " of " + from)
			},
			func(lite string) { topic.Store(lite) },
		)
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		synctest.Wait()
		got := make(map[string]*v2.Status)
		for range 2 {
			reply := <-server.replies
			got[reply.GetVerifyMessageResult().GetNonce()] = reply.GetStatus()
		}
		require.Equal(n, v2.Code_OK, got["good"].GetCode())
		require.Equal(n, v2.Code_FAILED_TO_CONSUME_MESSAGE, got["bad"].GetCode())
		require.Equal(n, strings.Repeat("ä", 512), got["bad"].GetMessage())
		require.Equal(n, "tx of "+single[0], transaction.Load())
		require.Equal(n, "lite", topic.Load())
	})
}

func TestCommands_DoNotHoldUpTheStream(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := newCommander()
		n.at(single[0]).telemetry = server.serve
		c := n.consumer("orders")
		var started, most atomic.Int32
		c.SetCommands(func(ctx context.Context, m *v2.Message) error {
			most.Store(max(most.Load(), started.Add(1)))
			defer started.Add(-1)
			time.Sleep(time.Minute)
			return nil
		}, nil, nil)
		_, err := c.Settings(n.Context())
		require.NoError(n, err)
		const commands = 8 + 1024 + 1
		for i := range commands {
			server.commands <- verifyCommand(fmt.Sprint(i))
		}
		synctest.Wait()
		reply := <-server.replies
		require.Equal(n, v2.Code_TOO_MANY_REQUESTS, reply.GetStatus().GetCode(), "the one too many, at once")
		require.Equal(n, fmt.Sprint(commands-1), reply.GetVerifyMessageResult().GetNonce())
		require.EqualValues(n, 8, most.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(n, server.replies, 8)
		require.EqualValues(n, 8, most.Load())

		// What is under way is waited for, what is not is given up.
		start := time.Now()
		require.NoError(n, c.Close())
		require.Equal(n, time.Minute, time.Since(start))
		require.Zero(n, started.Load())
	})
}

func TestCommands_OfAnotherKindAreRefused(t *testing.T) {
	for name, open := range map[string]func(n *network){
		"producer": func(n *network) {
			_, err := n.producer().Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
		},
		"simple consumer": func(n *network) {
			_, err := n.consumer("orders").Settings(n.Context())
			require.NoError(n, err)
		},
		"consumer without messages to verify": func(n *network) {
			c := n.consumer("orders")
			fail := func(context.Context, *v2.Message) error { panic("no message") }
			c.SetCommands(fail, func(context.Context, string, *v2.RecoverOrphanedTransactionCommand) { panic("no transaction") }, nil)
			_, err := c.Settings(n.Context())
			require.NoError(n, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				server := newCommander(
					&v2.TelemetryCommand{},
					&v2.TelemetryCommand{Command: &v2.TelemetryCommand_VerifyMessageCommand{
						VerifyMessageCommand: &v2.VerifyMessageCommand{Nonce: "verify"}}},
					&v2.TelemetryCommand{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{}},
					liteCommand(""), liteCommand("lite"), stackCommand("stack"))
				n.at(single[0]).telemetry = server.serve
				open(n)
				synctest.Wait()
				require.Len(n, server.replies, 2)
				verified, trace := <-server.replies, <-server.replies
				require.Equal(n, "verify", verified.GetVerifyMessageResult().GetNonce())
				require.NotEqual(n, v2.Code_OK, verified.GetStatus().GetCode())
				require.Equal(n, "stack", trace.GetThreadStackTrace().GetNonce())
				require.True(n, strings.HasPrefix(trace.GetThreadStackTrace().GetThreadStackTrace(), "goroutine "))
			})
		})
	}
}

func TestCommands_CutAStackTraceThatIsVeryLong(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		server := newCommander()
		n.at(single[0]).telemetry = server.serve
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		trace := func() string {
			server.commands <- stackCommand("1")
			synctest.Wait()
			return (<-server.replies).GetThreadStackTrace().GetThreadStackTrace()
		}
		require.Contains(n, trace(), "TestCommands_CutAStackTraceThatIsVeryLong", "all goroutines, not that of the answer alone")
		end := make(chan struct{})
		defer close(end)
		for range 10_000 {
			go func() { <-end }()
		}
		long := trace()
		require.Len(n, long, 1<<20)
	})
}
