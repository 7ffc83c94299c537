package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestClients_TellsWhoHasSentSettings(t *testing.T) {
	inBubble(t, func(r *rig) {
		began := time.Now()
		r.Empty(r.broker.Clients())
		r.register()
		ctx := as("producer-1")
		stream, err := r.stub.Telemetry(ctx)
		r.NoError(err)
		r.NoError(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{
			ClientType: new(v2.ClientType_PRODUCER),
			PubSub: &v2.Settings_Publishing{Publishing: &v2.Publishing{
				Topics: []*v2.Resource{resource("N4"), resource("N")},
			}},
		}}}))
		_, err = stream.Recv()
		r.NoError(err)
		clients := r.broker.Clients()
		r.Len(clients, 2)
		for i := range clients {
			r.WithinDuration(began, clients[i].LastSeen, time.Second)
			clients[i].LastSeen = time.Time{}
		}
		r.Contains(clients, broker.Client{
			ID: "producer-1", Type: "PRODUCER", Topics: []string{"N", "N4"}, Connected: true,
		})

		r.NoError(stream.CloseSend())
		synctest.Wait()
		for _, c := range r.broker.Clients() {
			r.False(c.Connected, "%s has broken off its stream", c.ID)
		}
		time.Sleep(3 * time.Minute)
		r.Empty(r.broker.Clients(), "they are forgotten")
	})
}

func TestConnections_CountsThoseThatAreOpen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.Zero(r.broker.Connections())
		r.register()
		r.Equal(1, r.broker.Connections())
		conn, err := r.broker.Dialer()(r.ctx, "")
		r.NoError(err)
		synctest.Wait()
		r.Equal(2, r.broker.Connections(), "one says nothing")
		r.NoError(conn.Close())
		synctest.Wait()
		r.Equal(1, r.broker.Connections())
	})
}

func TestTopicStats_CountsWhatIsKept(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("N4", "one")
		r.send("N4", "two")
		stored := make(map[string]int64)
		for _, s := range r.broker.TopicStats() {
			stored[s.Name] = s.Stored
		}
		r.EqualValues(2, stored["N4"])
		r.Zero(stored["N"])
		r.Len(stored, len(r.broker.Topics()))
	})
}

func TestAdvertise_IsWhatRoutesSay(t *testing.T) {
	for advertised, want := range map[string]v2.AddressScheme{
		"rocketmq.example:18081": v2.AddressScheme_DOMAIN_NAME,
		"192.0.2.7:18081":        v2.AddressScheme_IPv4,
		"[2001:db8::7]:18081":    v2.AddressScheme_IPv6,
	} {
		options := standard()
		options.Advertise = advertised
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, options)
			_, queues := r.route("N")
			endpoints := queues[0].GetBroker().GetEndpoints()
			r.Equal(want, endpoints.GetScheme())
			r.EqualValues(18081, endpoints.GetAddresses()[0].GetPort())
		})
	}
	_, err := broker.Start(broker.Options{InMemory: true, Advertise: "rocketmq.example"})
	require.ErrorContains(t, err, "name a host and a port")
}
