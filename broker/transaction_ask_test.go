package broker

import (
	"log/slog"
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

// A transaction that ends between the count of a check and the question is not written of any more.
func TestTransactions_EndWhileTheyAreChecked(t *testing.T) {
	dir := Options{Dir: t.TempDir()}
	start := func() *store {
		st := newStore(dir, Limits{}.withDefaults(), newScheduler())
		require.NoError(t, st.recover(dir, slog.New(slog.DiscardHandler)))
		return st
	}
	st := start()
	require.NoError(t, st.createTopic(Topic{Name: "T", Type: Transaction}))
	clients := newSessions(time.Minute, st.scheduler, st)
	st.proxies.add(clients)
	heard := make(chan *v2.TelemetryCommand, 1)
	out := openOutbox(func(c *v2.TelemetryCommand) error { heard <- c; return nil })
	clients.put("there", &v2.Settings{PubSub: &v2.Settings_Publishing{
		Publishing: &v2.Publishing{Topics: []*v2.Resource{{Name: "T"}}},
	}}, out)

	to, _ := st.lookUp("T")
	m := &v2.Message{SystemProperties: &v2.SystemProperties{MessageId: "tx", MessageType: v2.MessageType_TRANSACTION}}
	st.transactions.begin(undelivered{to, 0, appendRecord(nil, m)}, clients)
	later := nowMillis() + 10_000
	checks, _ := st.transactions.due(later)
	require.Len(t, checks, 1)
	require.NoError(t, st.transactions.end(halfID{"T", "tx"}, clients, v2.TransactionResolution_COMMIT, false))
	st.transactions.ask(checks[0], later)
	out.close()
	require.Len(t, heard, 1)
	require.NoError(t, st.diary.close())

	st = start()
	require.Empty(t, st.transactions.halves)
	_, stored := st.stored("T", "tx")
	require.True(t, stored)
	require.NoError(t, st.diary.close())
}
