package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
)

const (
	secret       = "s3cr3t-of-the-key"
	sessionToken = "t0k3n-of-the-session"
	body         = "b0dy-of-the-message"
)

// Whatever goes wrong, neither errors nor logs have a secret, a token or a body in them.
func TestSecrets_AreInNoErrorAndNoLog(t *testing.T) {
	for name, trouble := range map[string]func(s *scripted){
		"refused credentials": func(s *scripted) {
			s.route = func(context.Context, *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
				return &v2.QueryRouteResponse{Status: code(v2.Code_UNAUTHORIZED)}, nil
			}
		},
		"refused message": func(s *scripted) {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return &v2.SendMessageResponse{Status: code(v2.Code_MESSAGE_BODY_TOO_LARGE)}, nil
			}
		},
		"broken server": func(s *scripted) {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return nil, status.Error(codes.Unknown, "broken")
			}
			s.telemetry = func(telemetryServer) error { return errors.New("broken") }
			s.heartbeat = func(context.Context, *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
				return nil, errors.New("broken")
			}
		},
		"silent server": func(s *scripted) {
			s.heartbeat = silentHeartbeat
			s.send = func(ctx context.Context, _ *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var texts []string
			onNetwork(t, single, func(n *network) {
				n.at(single[0]).script(func() { trouble(n.at(single[0])) })
				p := n.producer()
				note := func(err error) { texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err)) }
				_, err := p.Send(n.Context(), message("orders", body))
				require.Error(n, err)
				note(err)
				_, err = p.SendBatch(n.Context(), []*client.Message{message("orders", body), message("orders", body)})
				note(err)
				p.SendAsync(n.Context(), message("orders", body), nil)
				require.NoError(n, p.Flush(n.Context()))
				_, err = n.consumer("orders").Settings(n.Context())
				note(err)
				time.Sleep(time.Minute)
				require.NoError(n, n.client.Close())
			}, client.WithCredentials("ak", secret), client.WithSessionToken(sessionToken),
				client.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			require.NotEmpty(t, log.String())
			for _, text := range append(texts, log.String()) {
				for _, hidden := range []string{secret, sessionToken, body} {
					require.NotContains(t, text, hidden)
				}
			}
		})
	}
}

func TestCredentials_RefusedOnesAreNotShown(t *testing.T) {
	for _, opts := range [][]client.Option{
		{client.WithCredentials("ak\n", secret)},
		{client.WithCredentials("ak", secret+"\n")},
		{client.WithCredentials("ak", secret), client.WithSessionToken(sessionToken + "\n")},
		{client.WithSessionToken(sessionToken)},
	} {
		_, err := client.New("10.0.0.1:1", opts...)
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
		require.NotContains(t, err.Error(), sessionToken)
	}
}

// Every request carries the namespace in its headers, and every topic and group in it.
func TestNamespace_IsInAllRequests(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		spaces := make(chan string, 100)
		note := func(ctx context.Context, resources ...*v2.Resource) {
			md, _ := metadata.FromIncomingContext(ctx)
			spaces <- md.Get("x-mq-namespace")[0]
			for _, r := range resources {
				spaces <- r.GetResourceNamespace()
			}
			if md.Get("x-mq-session-token")[0] != sessionToken {
				spaces <- "no token"
			}
		}
		route, send := s.route, s.send
		s.route = func(ctx context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			note(ctx, q.GetTopic())
			return route(ctx, q)
		}
		s.send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			note(ctx, q.GetMessages()[0].GetTopic())
			return send(ctx, q)
		}
		s.heartbeat = func(ctx context.Context, q *v2.HeartbeatRequest) (*v2.HeartbeatResponse, error) {
			if q.GetGroup() != nil {
				note(ctx, q.GetGroup())
			}
			return wellHeartbeat(ctx, q)
		}
		s.telemetry = func(t telemetryServer) error {
			return answerSettings(func(settings *v2.Settings) *v2.Settings {
				note(t.Context())
				for _, topic := range settings.GetPublishing().GetTopics() {
					note(t.Context(), topic)
				}
				for _, e := range settings.GetSubscription().GetSubscriptions() {
					note(t.Context(), settings.GetSubscription().GetGroup(), e.GetTopic())
				}
				return settings
			})(t)
		}
		s.receive = func(q *v2.ReceiveMessageRequest, stream receiveServer) error {
			note(stream.Context(), q.GetGroup())
			return frames(nil, messageFrame("a"))(q, stream)
		}
		s.ack = func(ctx context.Context, q *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
			note(ctx, q.GetGroup(), q.GetTopic())
			return &v2.AckMessageResponse{Status: ok()}, nil
		}
		s.terminate = func(ctx context.Context, q *v2.NotifyClientTerminationRequest) (*v2.NotifyClientTerminationResponse, error) {
			note(ctx)
			return &v2.NotifyClientTerminationResponse{Status: ok()}, nil
		}
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		c := n.consumer("orders")
		got, err := c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.NoError(n, c.Ack(n.Context(), got...))
		time.Sleep(10 * time.Second)
		require.NoError(n, n.client.Close())
		require.GreaterOrEqual(n, len(spaces), 16)
		for len(spaces) > 0 {
			require.Equal(n, "north", <-spaces)
		}
	}, client.WithNamespace("north"), client.WithCredentials("ak", secret), client.WithSessionToken(sessionToken))
}
