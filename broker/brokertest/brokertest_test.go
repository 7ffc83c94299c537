package brokertest_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNew_EndsWithTheTest(t *testing.T) {
	var addr string
	t.Run("inner", func(t *testing.T) {
		b := brokertest.New(t, brokertest.OnTCP(),
			brokertest.WithTopics(broker.Topic{Name: "orders"}), brokertest.WithGroups(broker.Group{Name: "billing"}))
		require.Equal(t, "orders", b.Topics()[0].Name)
		require.Equal(t, "billing", b.Groups()[0].Name)
		addr = b.Endpoint()
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
}

func TestNew_RunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, brokertest.WithoutAutoCreate(), brokertest.With(func(o *broker.Options) {
			o.Topics = []broker.Topic{{Name: "orders"}}
		}))
		require.Len(t, b.Topics(), 1)
	})
}

// A recorder is a test of which is known what it says.
type recorder struct {
	testing.TB
	said     []string
	failed   bool
	cleanups []func()
}

func (r *recorder) Helper()                      {}
func (r *recorder) Cleanup(f func())             { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool                 { return r.failed }
func (r *recorder) Log(args ...any)              { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *recorder) Logf(format string, a ...any) { r.Log(fmt.Sprintf(format, a...)) }
func (r *recorder) Error(args ...any)            { r.Log(args...); r.failed = true }

// end does what the end of a test does, and gives all that was said.
func (r *recorder) end() string {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return strings.Join(r.said, "\n")
}

// A reachable is a broker or a cluster.
type reachable interface {
	Endpoint() string
	Dialer() func(ctx context.Context, addr string) (net.Conn, error)
}

// use sends and receives a message, and settles it or not.
func use(t *testing.T, b reachable, settle bool) {
	t.Helper()
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	p, err := c.NewProducer()
	require.NoError(t, err)
	_, err = p.Send(t.Context(), &client.Message{Topic: "orders", Body: []byte("one coffee")})
	require.NoError(t, err)
	consumer, err := c.NewSimpleConsumer("billing", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	var got []*client.Delivery
	for len(got) == 0 { // each time from another broker
		got, err = consumer.Receive(t.Context(), 1, time.Minute)
		require.NoError(t, err)
	}
	if settle {
		require.NoError(t, got[0].Ack(t.Context()))
	}
}

const (
	unsettled = "1 messages were received and never settled:\n\tgroup billing, topic orders: message "
	calls     = "the broker's latest calls:\n"
)

func TestNew_TellsOfMessagesThatWereNeverSettled(t *testing.T) {
	for name, c := range map[string]struct {
		start                         func(testing.TB, ...brokertest.Option) *broker.Broker
		settle, fail                  bool
		tells, showsCalls, failsInEnd bool
	}{
		"all is well":             {start: brokertest.New, settle: true},
		"all is well, strictly":   {start: brokertest.NewStrict, settle: true},
		"never settled":           {start: brokertest.New, tells: true},
		"never settled, strictly": {start: brokertest.NewStrict, tells: true, showsCalls: true, failsInEnd: true},
		"the test has failed":     {start: brokertest.New, settle: true, fail: true, showsCalls: true, failsInEnd: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tb := &recorder{TB: t}
				use(t, c.start(tb), c.settle)
				tb.failed = c.fail
				said := tb.end()
				require.Equal(t, c.tells, strings.Contains(said, unsettled), said)
				require.Equal(t, c.showsCalls, strings.Contains(said, calls), said)
				require.Equal(t, c.showsCalls, strings.Contains(said, "SendMessage client="), said)
				require.Equal(t, c.failsInEnd, tb.failed)
			})
		})
	}
}

func TestNewCluster_EndsWithTheTestAndTellsWhatNewTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &recorder{TB: t, failed: true}
		c := brokertest.NewCluster(tb, broker.ClusterOptions{Brokers: []string{"a", "b"}, Proxies: 2},
			brokertest.WithTopics(broker.Topic{Name: "orders", Queues: 1}))
		hit := brokertest.Inject(t, c, broker.Fault{
			On: broker.Match{RPC: "SendMessage"}, Times: 1, Do: broker.CutAfter(),
		})
		use(t, c, false)
		require.Equal(t, 1, hit.Hits())
		said := tb.end()
		require.Contains(t, said, unsettled)
		require.Contains(t, said, calls)
		_, err := c.Dialer()(t.Context(), c.Endpoint())
		require.Error(t, err, "it is closed")
	})
}

func TestNew_ShowsTheLatestOfManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &recorder{TB: t, failed: true}
		b := brokertest.New(tb)
		for range 100 {
			use(t, b, true)
		}
		said := tb.end()
		require.Equal(t, 200, strings.Count(said, "client="), "of far more")
		require.Contains(t, said, "(200 of ")
	})
}

func TestInject_HasTheFaultForTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t)
		acks := broker.Match{RPC: "AckMessage"}
		hit := brokertest.Inject(t, b, broker.Fault{On: acks, Times: 1, Do: broker.CutAfter()})
		use(t, b, true)
		require.Equal(t, 1, hit.Hits())
		require.Len(t, b.Calls(acks), 2, "the client tries again")
	})
}
