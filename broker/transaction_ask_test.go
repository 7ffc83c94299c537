package broker

import (
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func TestTransactions_AskAnotherProducerIfOneCannotBeReached(t *testing.T) {
	st := newStore(Options{}, Limits{}.withDefaults(), newScheduler())
	require.NoError(t, st.createTopic(Topic{Name: "T", Type: Transaction}))
	clients := newSessions(time.Minute, st.scheduler, st)
	st.proxies.add(clients)
	to, _ := st.lookUp("T")
	settings := &v2.Settings{PubSub: &v2.Settings_Publishing{
		Publishing: &v2.Publishing{Topics: []*v2.Resource{{Name: "T"}}},
	}}
	heard := make(chan *v2.TelemetryCommand, 10)
	deaf := openOutbox(func(*v2.TelemetryCommand) error { return nil })
	deaf.close()
	there := openOutbox(func(c *v2.TelemetryCommand) error { heard <- c; return nil })
	clients.put("deaf", settings, deaf)

	half := func(id string) halfID {
		m := &v2.Message{SystemProperties: &v2.SystemProperties{MessageId: id, MessageType: v2.MessageType_TRANSACTION}}
		st.transactions.begin(undelivered{to, 0, appendRecord(nil, m)}, clients)
		return halfID{"T", id}
	}
	tickets := func(id halfID) int { return len(st.transactions.byID[id][0].tickets) }
	later := nowMillis() + 10_000

	alone := half("alone")
	st.transactions.expire(later)
	require.Equal(t, 1, tickets(alone), "nobody was asked: what is left is from the sending")

	clients.put("there", settings, there)
	other := half("other")
	for range 2 {
		st.transactions.expire(later)
	}
	there.close()
	require.Len(t, heard, 4)
	require.Equal(t, 3, tickets(other))
}
