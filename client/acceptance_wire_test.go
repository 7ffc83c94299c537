package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// allCommands are those that a server can give, each with what it needs and without.
func allCommands() []*v2.TelemetryCommand {
	return []*v2.TelemetryCommand{
		verifyCommand("1"), recoverCommand("2"), liteCommand("3"), stackCommand("4"), {},
		{Command: &v2.TelemetryCommand_VerifyMessageCommand{}},
		{Command: &v2.TelemetryCommand_VerifyMessageCommand{VerifyMessageCommand: &v2.VerifyMessageCommand{}}},
		{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{}},
		{Command: &v2.TelemetryCommand_RecoverOrphanedTransactionCommand{
			RecoverOrphanedTransactionCommand: &v2.RecoverOrphanedTransactionCommand{}}},
		{Command: &v2.TelemetryCommand_NotifyUnsubscribeLiteCommand{}},
		{Command: &v2.TelemetryCommand_NotifyUnsubscribeLiteCommand{
			NotifyUnsubscribeLiteCommand: &v2.NotifyUnsubscribeLiteCommand{}}},
		{Command: &v2.TelemetryCommand_PrintThreadStackTraceCommand{}},
		{Command: &v2.TelemetryCommand_ReconnectEndpointsCommand{}},
		{Command: &v2.TelemetryCommand_Settings{}},
		{Command: &v2.TelemetryCommand_ThreadStackTrace{}},
		{Command: &v2.TelemetryCommand_VerifyMessageResult{}},
	}
}

// eachKind makes one of every kind of client, and gives what to call to have it open its session.
func eachKind(n *network) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"producer": func(ctx context.Context) error {
			_, err := n.producer().Send(ctx, message("orders", "x"))
			return err
		},
		"transactional producer": func(ctx context.Context) error {
			check := func(context.Context, *client.Message) client.Resolution { return client.ResolutionCommit }
			_, err := n.producer(client.WithTransactionChecker(check)).Send(ctx, message("orders", "x"))
			return err
		},
		"push consumer": func(ctx context.Context) error {
			pc, err := n.client.NewPushConsumer("G", everything("orders"),
				func(context.Context, *client.Message) error { return nil })
			if err == nil {
				start(n.T, pc)
			}
			return err
		},
		"lite simple consumer": func(ctx context.Context) error {
			return n.liteConsumer().SubscribeLite(ctx, "A")
		},
		"lite push consumer": func(ctx context.Context) error {
			lp, err := n.client.NewLitePushConsumer("G", "parent", func(context.Context, *client.Message) error { return nil })
			if err != nil {
				return err
			}
			ended := make(chan error, 1)
			go func() { ended <- lp.Run(n.Context()) }()
			n.Cleanup(func() {
				require.NoError(n, lp.Close())
				require.NoError(n, <-ended)
			})
			return lp.SubscribeLite(ctx, "A")
		},
		"simple consumer": func(ctx context.Context) error {
			_, err := n.consumer("orders").Settings(ctx)
			return err
		},
	}
}

func TestAcceptance06_EveryCommandIsBorneByEveryKind(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		for kind, open := range eachKind(n) {
			c := newCommander(allCommands()...)
			n.at(single[0]).script(func() { n.at(single[0]).telemetry = c.serve })
			ctx, cancel := context.WithTimeout(n.Context(), time.Minute)
			require.NoError(n, open(ctx), kind)
			synctest.Wait()
			require.Empty(n, c.commands, kind)
			answers := make(map[string]v2.Code)
			for len(c.replies) > 0 {
				reply := <-c.replies
				switch {
				case reply.GetThreadStackTrace() != nil:
					answers["stack "+reply.GetThreadStackTrace().GetNonce()] = reply.GetStatus().GetCode()
				case reply.GetVerifyMessageResult() != nil:
					answers["verify "+reply.GetVerifyMessageResult().GetNonce()] = reply.GetStatus().GetCode()
				}
			}
			require.Equal(n, v2.Code_OK, answers["stack 4"], kind)
			require.Contains(n, answers, "verify 1", kind)
			cancel()
		}
	})
}

// headers notes those of requests, on a connection that answers sends.
type headers struct {
	instant
	mu   sync.Mutex
	sent []metadata.MD
	last *v2.SystemProperties // of the last message
}

func (h *headers) Invoke(ctx context.Context, method string, q, a any, opts ...grpc.CallOption) error {
	md, _ := metadata.FromOutgoingContext(ctx)
	h.mu.Lock()
	h.sent = append(h.sent, md)
	if send, ok := q.(*v2.SendMessageRequest); ok {
		h.last = send.GetMessages()[0].GetSystemProperties()
	}
	h.mu.Unlock()
	return h.instant.Invoke(ctx, method, q, a, opts...)
}

func TestAcceptance16_SignatureQueueAndIDAgreeWithOtherClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		h := &headers{instant: instant{routeOver("orders", single[0], single[0], single[0], single[0])}}
		c, err := client.New(single[0], client.WithCredentials("ak", "sk"),
			client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) { return h, nil, nil }))
		require.NoError(t, err)
		p, err := c.NewProducer()
		require.NoError(t, err)
		_, err = p.Send(t.Context(), &client.Message{Topic: "orders", Body: []byte("x"), MessageGroup: "order-1"})
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Equal(t, []string{"20260102T030405Z"}, h.sent[0].Get("x-mq-date-time"))
		require.Equal(t, []string{"MQv2-HMAC-SHA1 Credential=ak, SignedHeaders=x-mq-date-time, " +
			"Signature=8253C64A492F7128D6DB0454D71F2E9CC618F627"}, h.sent[0].Get("authorization"))
		require.EqualValues(t, 3, h.last.GetQueueId(), "of four, for this message group")
		require.Regexp(t, "^01[0-9A-F]{32}$", h.last.GetMessageId())
		// Seconds since 2021 are the bytes 9 to 12.
		require.Equal(t, "0968CFA5", h.last.GetMessageId()[18:26])
	})
}

func TestAcceptance16_ADigestIsWithoutLeadingZeros(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).receive = frames(nil, statusFrame(ok()), messageFrame("a", func(m *v2.Message) {
			m.Body = []byte("33")
			m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_CRC32, Checksum: "A6216D9"}
		}))
		got, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.NoError(n, got[0].Err)
	})
}

// The bodies are what the command-line tools lz4 and zstd make of the text. On the wire all compression
// goes by the name of GZIP.
func TestAcceptance17_LZ4AndZstdBodiesAreRead(t *testing.T) {
	text := "the same text, compressed elsewhere: " + strings.Repeat("a", 48)
	for name, stored := range map[string]string{
		"lz4": "04224d186440a731000000ff177468652073616d6520746578742c20636f6d7072657373656420656c736577686572653a20" +
			"610100175061616161610000000053847cb2",
		"zstd": "28b52ffd24556d010064027468652073616d6520746578742c20636f6d7072657373656420656c736577686572653a2061" +
			"010026024f9b1b36e6",
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				body, err := hex.DecodeString(stored)
				require.NoError(n, err)
				n.at(single[0]).receive = frames(nil, statusFrame(ok()), messageFrame("a", func(m *v2.Message) {
					m.Body, m.SystemProperties.BodyEncoding = body, v2.Encoding_GZIP
				}))
				got, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
				require.NoError(n, err)
				require.NoError(n, got[0].Err)
				require.Equal(n, text, string(got[0].Body))
			})
		})
	}
}

func TestAcceptance19_TheClientLogsToItsOwnLoggerAlone(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("TMPDIR", home)
	var global, own bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&global, nil)))
	defer slog.SetDefault(before)
	onNetwork(t, single, func(n *network) {
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		n.stop(single[0])
		time.Sleep(time.Minute)
		require.NoError(n, n.client.Close())
	}, client.WithLogger(slog.New(slog.NewTextHandler(&own, nil))))
	require.Contains(t, own.String(), "session interrupted")
	require.Empty(t, global.String())
	require.Empty(t, filesIn(t, home))
}

func TestAcceptance20_TLSIsVerifiedByDefaultAndSetPerClient(t *testing.T) {
	own, pool := certificate(t)
	b := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	}))
	trusting := newTCPClient(t, b, client.WithTLSConfig(&tls.Config{RootCAs: pool}))
	byDefault := newTCPClient(t, b)
	for range 2 { // one does not change the other
		_, err := trusting.Send(t.Context(), message("orders", "x"))
		require.NoError(t, err)
		_, err = byDefault.Send(t.Context(), message("orders", "x"))
		require.ErrorIs(t, err, client.ErrUnavailable)
		require.ErrorContains(t, err, "certificate")
	}
}

// newTCPClient gives the producer of a client that reaches b by the network.
func newTCPClient(t *testing.T, b *broker.Broker, opts ...client.Option) *client.Producer {
	t.Helper()
	c, err := client.New(b.Endpoint(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	p, err := c.NewProducer()
	require.NoError(t, err)
	return p
}
