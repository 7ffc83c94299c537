package collector_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rocketflow-io/rocketflow/client"
)

// push runs a consumer of one message at a time until the test is over.
func push(t *testing.T, c *client.Client, handle client.Handler, test func()) {
	t.Helper()
	p, err := c.NewPushConsumer("G", map[string]client.Filter{"orders": client.All()}, handle, client.WithConcurrency(1))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(t.Context()) }()
	test()
	require.NoError(t, p.Close())
	require.NoError(t, <-ended)
}

// gauge returns the only value of a gauge.
func gauge(t *testing.T, reader sdk.Reader, name string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name == name {
			points := m.Data.(metricdata.Gauge[int64]).DataPoints
			require.Len(t, points, 1)
			requireLabels(t, points[0].Attributes, map[string]string{"topic": "orders", "consumer_group": "G"})
			return points[0].Value
		}
	}
	require.Fail(t, "not measured", name)
	return 0
}

func TestMetrics_MeasureConsumption(t *testing.T) {
	reader := sdk.NewManualReader()
	inBubble(t, func(b *bubble) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("123")}, &client.Message{Topic: "orders", Body: []byte("45")})
		handle := func(context.Context, *client.Message) error { time.Sleep(8 * time.Second); return nil }
		push(t, c, handle, func() {
			time.Sleep(6 * time.Second)
			synctest.Wait()
			require.EqualValues(t, 2, gauge(t, reader, "rocketmq_consumer_cached_messages"))
			require.EqualValues(t, 5, gauge(t, reader, "rocketmq_consumer_cached_bytes"))
			time.Sleep(15 * time.Second)
			synctest.Wait()
			require.EqualValues(t, 0, gauge(t, reader, "rocketmq_consumer_cached_messages"))
			require.EqualValues(t, 0, gauge(t, reader, "rocketmq_consumer_cached_bytes"))
		})
		m, await := histogram(t, reader, "rocketmq_await_time")
		require.Equal(t, "ms", m.Unit)
		require.Equal(t, []float64{1, 5, 20, 100, 1000, 5000, 10000}, await.Bounds)
		requireLabels(t, await.Attributes, map[string]string{"topic": "orders", "consumer_group": "G"})
		require.EqualValues(t, 2, await.Count)
		require.EqualValues(t, 8000, await.Sum, "of the second, while the first was handled")
		_, process := histogram(t, reader, "rocketmq_process_time")
		require.Equal(t, []float64{1, 5, 10, 100, 1000, 10000, 60000}, process.Bounds)
		require.EqualValues(t, 16_000, process.Sum)
		requireLabels(t, process.Attributes, map[string]string{"topic": "orders", "consumer_group": "G", "invocation_status": "success"})
	}, client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
}

func TestMetrics_MeasureFailedConsumption(t *testing.T) {
	reader := sdk.NewManualReader()
	inBubble(t, func(b *bubble) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("x")})
		push(t, c, func(context.Context, *client.Message) error { panic("handler") }, func() { time.Sleep(8 * time.Second) })
		_, process := histogram(t, reader, "rocketmq_process_time")
		requireLabels(t, process.Attributes, map[string]string{"topic": "orders", "consumer_group": "G", "invocation_status": "failure"})
	}, client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))))
}

func TestSpans_OfHandlersContinueTheTraceOfTheMessage(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	seen := ""
	inBubble(t, func(b *bubble) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("x")})
		handled := 0
		handle := func(ctx context.Context, m *client.Message) error {
			if handled++; handled > 1 {
				return nil
			}
			seen = trace.SpanContextFromContext(ctx).SpanID().String()
			return errors.New("not now")
		}
		push(t, c, handle, func() { time.Sleep(30 * time.Second) })
		sent := take(t, spans, "send orders", 1)[0]
		processed := take(t, spans, "process orders", 2)
		for _, s := range processed {
			require.Equal(t, trace.SpanKindConsumer, s.SpanKind())
			require.Equal(t, sent.SpanContext().TraceID(), s.SpanContext().TraceID())
			require.Equal(t, sent.SpanContext().SpanID(), s.Parent().SpanID())
			require.Equal(t, "G", attributes(s)["messaging.consumer.group.name"])
		}
		require.Equal(t, processed[0].SpanContext().SpanID().String(), seen, "the handler is in it")
		require.Equal(t, codes.Error, processed[0].Status().Code)
		require.Equal(t, codes.Unset, processed[1].Status().Code)
		take(t, spans, "nack orders", 1)
		take(t, spans, "ack orders", 1)
	}, client.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
}
