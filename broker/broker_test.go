package broker_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
)

// started starts a broker on a free port.
func started(t *testing.T, opts broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestStart_TakesPlaintextAndTLSOnOnePort(t *testing.T) {
	b := started(t, broker.Options{Topics: []broker.Topic{{Name: "N", Queues: 1}}})
	for name, creds := range map[string]credentials.TransportCredentials{
		"plaintext": insecure.NewCredentials(),
		"TLS":       credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := grpc.NewClient(b.Endpoint(), grpc.WithTransportCredentials(creds))
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			answer, err := v2.NewMessagingServiceClient(conn).QueryRoute(as("client"), &v2.QueryRouteRequest{Topic: resource("N")})
			require.NoError(t, err)
			require.Equal(t, v2.Code_OK, answer.GetStatus().GetCode())
			address := answer.GetMessageQueues()[0].GetBroker().GetEndpoints().GetAddresses()[0]
			require.Equal(t, b.Endpoint(), (&net.TCPAddr{IP: net.ParseIP(address.GetHost()), Port: int(address.GetPort())}).String())
		})
	}
}

func TestStart_FailsWhereItCannotListen(t *testing.T) {
	b := started(t, broker.Options{})
	_, err := broker.Start(broker.Options{Addr: b.Endpoint()})
	require.ErrorContains(t, err, `broker: listen on "`+b.Endpoint())
	_, err = broker.Start(broker.Options{Addr: b.Endpoint(), InMemory: true})
	require.ErrorContains(t, err, "InMemory")
}

func TestStart_ReportsAllThatIsWrong(t *testing.T) {
	_, err := broker.Start(broker.Options{
		InMemory: true,
		Topics: []broker.Topic{
			{Name: "a b"}, {Name: "N", Queues: -1}, {Name: "N", Type: 99}, {Name: "N", Permission: -1}, {Name: "ok"}, {Name: "ok"},
		},
		Groups: []broker.Group{{Name: ""}, {Name: "G", Backoff: broker.RetryPolicy{Initial: -1}}},
	})
	var config *broker.ConfigError
	require.ErrorAs(t, err, &config)
	require.ErrorIs(t, err, broker.ErrExists)
	require.Equal(t, `broker: create topic "a b": The specified topic[a b] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$
broker: create topic "N": queues must be between 1 and 1024
broker: create topic "N": unknown message type
broker: create topic "N": unknown permission
broker: exists already: topic "ok"
broker: create group "": the specified group is blank
broker: create group "G": backoff must not be negative`, err.Error())
}

func TestClose_DoesNotWaitForConnectionsThatSayNothing(t *testing.T) {
	for name, first := range map[string]string{"nothing": "", "one byte": "P", "a byte of TLS": "\x16"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				conn, err := r.broker.Dialer()(context.Background(), "")
				r.NoError(err)
				defer func() { r.NoError(conn.Close()) }()
				_, err = conn.Write([]byte(first))
				r.NoError(err)
				synctest.Wait()
				began := time.Now()
				r.NoError(r.broker.Close())
				r.Zero(time.Since(began))
				r.NoError(r.broker.Close(), "again")
			})
		})
	}
}

func TestBroker_ListsWhatThereIs(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.ErrorIs(r.broker.CreateTopic(broker.Topic{Name: "N"}), broker.ErrExists)
		r.ErrorIs(r.broker.CreateGroup(broker.Group{Name: "G"}), broker.ErrExists)
		topics := r.broker.Topics()
		r.Equal(broker.Topic{Name: "D", Queues: 8, Type: broker.Delay}, topics[0])
		r.Len(topics, 10)
		groups := r.broker.Groups()
		r.Len(groups, 5)
		r.Equal("G", groups[0].Name)
		r.Equal(16, groups[0].RetryMaxTimes)
		r.Nil(r.broker.Messages("X"))
		r.Empty(r.broker.Messages("N"))
		r.Equal("TRANSACTION", broker.Transaction.String())
		r.Equal("MIXED", broker.Mixed.String())

		r.register()
		r.send("N", "one")
		r.pop("once", "N")
		time.Sleep(13 * time.Second)
		var names []string
		for _, topic := range r.broker.Topics() {
			names = append(names, topic.Name)
		}
		r.Contains(names, "%RETRY%once_N")
		r.Equal(1, r.broker.Messages("%RETRY%once_N")[0].Attempts)
	})
}

func TestGroupStats_CountWhereMessagesAre(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.broker.GroupStats("X")
		r.ErrorIs(err, broker.ErrUnknown)
		progress := func() broker.Progress {
			stats, err := r.broker.GroupStats("G")
			r.NoError(err)
			r.Equal(stats.Topics["N"], stats.Progress)
			return stats.Progress
		}
		r.Zero(progress())
		settings := consumer("G")
		settings.GetSubscription().Subscriptions = []*v2.SubscriptionEntry{{Topic: resource("N")}}
		_, err = r.tell(r.ctx, settings)
		r.NoError(err)
		for _, id := range []string{"a", "b", "c"} {
			r.send("N", id)
		}
		r.Equal(broker.Progress{Backlog: 3, Ready: 3}, progress(), "subscribed, nothing received")
		_, got := r.pop("G", "N", batch(2))
		r.Equal(broker.Progress{Backlog: 3, Ready: 1, InFlight: 2}, progress())
		r.ack("G", "N", handles(got[0])...)
		r.Equal(broker.Progress{Backlog: 2, Ready: 1, InFlight: 1, Acked: 1}, progress())
		r.forward("G", "N", handles(got[1])[0])
		r.Equal(broker.Progress{Backlog: 1, Ready: 1, Acked: 1, DeadLettered: 1}, progress())
		r.pop("G", "N")
		time.Sleep(12*time.Second - time.Millisecond)
		r.Equal(broker.Progress{Backlog: 1, InFlight: 1, Acked: 1, DeadLettered: 1}, progress())
		time.Sleep(2 * time.Millisecond)
		r.Equal(broker.Progress{Backlog: 1, Ready: 1, Acked: 1, DeadLettered: 1}, progress(), "to be delivered again")
	})
}

func TestLimits_CanBeShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, broker.Options{InMemory: true, AutoCreate: true, Limits: broker.Limits{
			MinInvisible: time.Millisecond, MinPolling: time.Millisecond, MaxPolling: time.Second,
			RedeliveryDelay: time.Millisecond, ClientExpiry: 10 * time.Second,
		}})
		r.register()
		r.send("N", "one")
		r.pop("G", "N", invisible(5*time.Millisecond))
		began := time.Now()
		got, _ := r.pop("G", "N", invisible(time.Second))
		require.Equal(t, []string{"one/2"}, got)
		require.InDelta(t, 6, time.Since(began).Milliseconds(), 2)
		began = time.Now()
		got, _ = r.pop("G", "N", polling(100*time.Millisecond), invisible(time.Second))
		require.Empty(t, got)
		require.InDelta(t, 90, time.Since(began).Milliseconds(), 2)
		time.Sleep(11 * time.Second)
		require.Equal(t, v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"))
	})
}
