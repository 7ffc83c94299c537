package collector_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// A bubble is a test with a client of a broker, in virtual time.
type bubble struct {
	*testing.T
	client *client.Client
}

// inBubble runs a test against a broker, in a bubble of virtual time.
func inBubble(t *testing.T, test func(b *bubble), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, func(o *broker.Options) {
			o.Topics = []broker.Topic{{Name: "orders", Queues: 1}}
			o.Groups = []broker.Group{{Name: "G"}}
		})
		opts := append([]client.Option{client.WithPlaintext(), client.WithDialer(b.Dialer())}, opts...)
		c, err := client.New(b.Endpoint(), opts...)
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		test(&bubble{t, c})
	})
}

func send(t *testing.T, c *client.Client, messages ...*client.Message) {
	t.Helper()
	p, err := c.NewProducer()
	require.NoError(t, err)
	for _, m := range messages {
		_, err := p.Send(t.Context(), m)
		require.NoError(t, err)
	}
}

func receive(t *testing.T, c *client.Client) (*client.SimpleConsumer, []*client.Delivery) {
	t.Helper()
	sc, err := c.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	got, err := sc.Receive(t.Context(), 32, time.Minute)
	require.NoError(t, err)
	require.NotEmpty(t, got)
	return sc, got
}

// histogram returns the only series of a histogram.
func histogram(t *testing.T, reader sdk.Reader, name string) (metricdata.Metrics, metricdata.HistogramDataPoint[float64]) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, s := range all.ScopeMetrics {
		require.Equal(t, "org.apache.rocketmq.message", s.Scope.Name)
		for _, m := range s.Metrics {
			if m.Name == name {
				points := m.Data.(metricdata.Histogram[float64]).DataPoints
				require.Len(t, points, 1)
				return m, points[0]
			}
		}
	}
	require.Fail(t, "not measured", name)
	return metricdata.Metrics{}, metricdata.HistogramDataPoint[float64]{}
}

// requireLabels compares all labels but the client id, of which there must be one.
func requireLabels(t *testing.T, set attribute.Set, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	for _, kv := range set.ToSlice() {
		got[string(kv.Key)] = kv.Value.AsString()
	}
	require.NotEmpty(t, got["client_id"])
	delete(got, "client_id")
	require.Equal(t, want, got)
}

func TestMetrics_MeasureSends(t *testing.T) {
	reader := sdk.NewManualReader()
	inBubble(t, func(b *bubble) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("x")}, &client.Message{Topic: "orders", Body: []byte("y")})
		m, point := histogram(t, reader, "rocketmq_send_cost_time")
		require.Equal(t, "ms", m.Unit)
		require.Equal(t, []float64{1, 5, 10, 20, 50, 200, 500}, point.Bounds)
		require.EqualValues(t, 2, point.Count)
		requireLabels(t, point.Attributes, map[string]string{"topic": "orders", "invocation_status": "success"})
	}, client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
}

func TestMetrics_MeasureFailedSends(t *testing.T) {
	reader := sdk.NewManualReader()
	onNetwork(t, func(n *network) {
		_, err := n.sendTo("refused")
		require.ErrorIs(n, err, client.ErrForbidden)
		_, point := histogram(n.T, reader, "rocketmq_send_cost_time")
		requireLabels(n.T, point.Attributes, map[string]string{"topic": "refused", "invocation_status": "failure"})
	}, client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
}

func TestMetrics_MeasureDelivery(t *testing.T) {
	reader := sdk.NewManualReader()
	inBubble(t, func(b *bubble) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("x")})
		receive(t, c)
		_, point := histogram(t, reader, "rocketmq_delivery_latency")
		require.Equal(t, []float64{1, 5, 10, 20, 50, 200, 500}, point.Bounds)
		require.EqualValues(t, 1, point.Count)
		requireLabels(t, point.Attributes, map[string]string{"topic": "orders", "consumer_group": "G"})
	}, client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
}
