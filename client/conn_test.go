package client_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestNew_TakesAnyAddressOfItsAccessPoint(t *testing.T) {
	onNetwork(t, pair, func(n *network) {
		for _, down := range pair {
			n.stop(down)
			c, err := client.New("http://10.0.0.2:8081;10.0.0.1:8081", client.WithPlaintext(), client.WithDialer(n.dial))
			require.NoError(n, err)
			p, err := c.NewProducer()
			require.NoError(n, err)
			receipt, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
			require.NotEqual(n, down, receipt.Endpoint)
			require.NoError(n, c.Close())
			n.start(down, newScripted(pair))
		}
	})
}

func TestSend_SharesOneConnectionAmongProducers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		dialled := 0
		c, err := client.New(single[0], client.WithPlaintext(), client.WithDialer(counting(&dialled, n.dial)))
		require.NoError(n, err)
		for range 3 {
			p, err := c.NewProducer()
			require.NoError(n, err)
			_, err = p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
		}
		require.NoError(n, c.Close())
		require.Equal(n, 1, dialled)
	})
}

func counting(count *int, dial client.DialFunc) client.DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		*count++
		return dial(ctx, address)
	}
}

func TestNew_ResolvesTheNameOfAHost(t *testing.T) {
	b := brokertest.New(t, standard, brokertest.OnTCP())
	_, port, err := net.SplitHostPort(b.Endpoint())
	require.NoError(t, err)
	c, err := client.New("localhost:"+port, client.WithPlaintext())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	p, err := c.NewProducer()
	require.NoError(t, err)
	receipt, err := p.Send(t.Context(), message("orders", "x"))
	require.NoError(t, err)
	require.Equal(t, b.Endpoint(), receipt.Endpoint, "as the route names it")
}
