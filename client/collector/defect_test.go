package collector_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// What a message waits for by design is not the latency of its delivery, which counts from the moment
// at which the server hands it out.
func TestDefectC9_ADelayIsNoLatencyAndWhatWaitsIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdk.NewManualReader()
		b := brokertest.New(t, func(o *broker.Options) {
			o.Topics = []broker.Topic{{Name: "orders", Queues: 1, Type: broker.Delay}}
			o.Groups = []broker.Group{{Name: "G"}}
		})
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()),
			client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		proceed := make(chan struct{})
		pc, err := c.NewPushConsumer("G", map[string]client.Filter{"orders": client.All()},
			func(context.Context, *client.Message) error {
				<-proceed
				return nil
			})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- pc.Run(t.Context()) }()
		send(t, c, &client.Message{Topic: "orders", Body: []byte("four"), DeliveryTime: time.Now().Add(time.Hour)})
		time.Sleep(2 * time.Hour)

		_, point := histogram(t, reader, "rocketmq_delivery_latency")
		require.EqualValues(t, 1, point.Count)
		require.Less(t, point.Sum, 1000.0, "milliseconds")
		require.EqualValues(t, 1, gauge(t, reader, "rocketmq_consumer_cached_messages"))
		require.EqualValues(t, 4, gauge(t, reader, "rocketmq_consumer_cached_bytes"))
		close(proceed)
		synctest.Wait()
		require.Zero(t, gauge(t, reader, "rocketmq_consumer_cached_messages"))
		require.NoError(t, pc.Close())
		require.NoError(t, <-ended)
	})
}
