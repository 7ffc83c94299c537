package integration

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// checks is how long checks of transactions may take: the real server makes a round of them every 30
// seconds, and begins with messages that are 6 seconds old.
const checks = 4 * time.Minute

// newTransactions gives a target whose checks do not take long if it is the embedded broker.
func newTransactions(t *testing.T) *target.Target {
	t.Helper()
	t.Parallel() // for what the checks take on the real server
	return target.NewLimited(t, broker.Limits{
		TransactionCheckInterval: 300 * time.Millisecond, TransactionTimeout: 200 * time.Millisecond,
	})
}

func undecided(context.Context, *client.Message) client.Resolution { return client.ResolutionUnknown }

// half sends the message of a transaction.
func half(t *testing.T, p *client.Producer, topic, body string) *client.Transaction {
	t.Helper()
	tx, err := p.BeginTransaction()
	require.NoError(t, err)
	_, err = tx.Send(limited(t), &client.Message{Topic: topic, Body: []byte(body), Properties: map[string]string{"k": "v"}})
	require.NoError(t, err)
	return tx
}

func TestTransaction_IsVisibleOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	g := target.New(t)
	topic, group := g.CreateTopic(t, "TRANSACTION", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c, client.WithTransactionChecker(undecided))
	sc := newConsumer(t, c, group, topic)
	committed, rolledBack := half(t, p, topic, "committed"), half(t, p, topic, "rolled back")

	before, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, bodies(before))
	require.NoError(t, rolledBack.Rollback(limited(t)))
	require.NoError(t, committed.Commit(limited(t)))

	d := receive(t, sc, 1)[0]
	require.Equal(t, "committed", string(d.Body))
	require.Equal(t, "v", d.Properties["k"])
	require.True(t, d.Transactional)
	require.NoError(t, d.Ack(limited(t)))
	after, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, bodies(after))
	require.ErrorIs(t, committed.Commit(limited(t)), client.ErrTransactionEnded)
}

func TestTransaction_IsDecidedByItsCheckerInTheEnd(t *testing.T) {
	g := newTransactions(t)
	topic, group := g.CreateTopic(t, "TRANSACTION", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	var (
		mu    sync.Mutex
		asked = make(map[string]int)
	)
	p := newProducer(t, c, client.WithTransactionChecker(func(_ context.Context, m *client.Message) client.Resolution {
		mu.Lock()
		defer mu.Unlock()
		body := string(m.Body)
		switch asked[body]++; {
		case asked[body] == 1:
			return client.ResolutionUnknown // and the server asks again
		case body == "to be committed":
			return client.ResolutionCommit
		default:
			return client.ResolutionRollback
		}
	}))
	sc := newConsumer(t, c, group, topic)
	half(t, p, topic, "to be committed")
	half(t, p, topic, "to be rolled back")

	d := receiveWithin(t, sc, 1, checks)[0]
	require.Equal(t, "to be committed", string(d.Body))
	require.NoError(t, d.Ack(limited(t)))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return asked["to be committed"] == 2 && asked["to be rolled back"] == 2
	}, checks, 20*time.Millisecond)
	after, err := sc.Receive(limited(t), 32, invisible)
	require.NoError(t, err)
	require.Empty(t, bodies(after))
}

// A mortal network connects until it is cut, and then never again.
type mortal struct {
	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (m *mortal) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && m.dead {
		err = errors.Join(errors.New("the network is cut"), conn.Close())
	}
	m.conns = append(m.conns, conn)
	return conn, err
}

func (m *mortal) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for _, conn := range m.conns {
		_ = conn.Close() // it may be closed already
	}
}

func TestTransaction_OfADeadProducerIsDecidedByAnother(t *testing.T) {
	g := newTransactions(t)
	topic, group := g.CreateTopic(t, "TRANSACTION", 1), g.CreateGroup(t, false, 16)
	var net mortal
	half(t, newProducer(t, newClient(t, g, client.WithDialer(net.dial)), client.WithTransactionChecker(undecided)), topic, "orphan")
	net.cut()

	c := newClient(t, g)
	var asked atomic.Int32
	newProducer(t, c, client.WithTopics(topic), client.WithTransactionChecker(
		func(_ context.Context, m *client.Message) client.Resolution {
			asked.Add(1)
			return client.ResolutionCommit
		}))
	sc := newConsumer(t, c, group, topic)
	d := receiveWithin(t, sc, 1, checks)[0]
	require.Equal(t, "orphan", string(d.Body))
	require.NoError(t, d.Ack(limited(t)))
	require.Positive(t, asked.Load())
}
