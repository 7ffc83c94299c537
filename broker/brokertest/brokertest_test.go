package brokertest_test

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
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
