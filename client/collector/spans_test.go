package collector_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rocketflow-io/rocketflow/client"
)

// traced runs a test with a client that is traced.
func traced(t *testing.T, test func(b *bubble, spans *tracetest.SpanRecorder)) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	inBubble(t, func(b *bubble) { test(b, spans) },
		client.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
		client.WithNamespace("ns"))
}

// take returns the spans of a name that have ended.
func take(t *testing.T, spans *tracetest.SpanRecorder, name string, count int) []sdktrace.ReadOnlySpan {
	t.Helper()
	var all []sdktrace.ReadOnlySpan
	for _, s := range spans.Ended() {
		if s.Name() == name {
			all = append(all, s)
		}
	}
	require.Len(t, all, count, name)
	return all
}

func attributes(s sdktrace.ReadOnlySpan) map[attribute.Key]any {
	all := make(map[attribute.Key]any)
	for _, kv := range s.Attributes() {
		all[kv.Key] = kv.Value.AsInterface()
	}
	return all
}

func TestSpans_OfSendsTravelWithTheMessages(t *testing.T) {
	traced(t, func(b *bubble, spans *tracetest.SpanRecorder) {
		t, c := b.T, b.client
		m := &client.Message{Topic: "orders", Body: []byte("x"), Tag: "t", Keys: []string{"k"}}
		send(t, c, m)
		require.Empty(t, m.TraceContext, "of the caller's message")
		s := take(t, spans, "send orders", 1)[0]
		require.Equal(t, trace.SpanKindProducer, s.SpanKind())
		require.Equal(t, "github.com/rocketflow-io/rocketflow/client", s.InstrumentationScope().Name)

		sc, got := receive(t, c)
		require.Equal(t, "00-"+s.SpanContext().TraceID().String()+"-"+s.SpanContext().SpanID().String()+"-01", got[0].TraceContext)
		a := attributes(s)
		require.NotEmpty(t, a["messaging.client.id"])
		require.NotEmpty(t, a["server.address"])
		require.NotZero(t, a["server.port"])
		for key, want := range map[attribute.Key]any{
			"messaging.system": "rocketmq", "messaging.operation.name": "send", "messaging.operation.type": "send",
			"messaging.destination.name": "orders", "messaging.message.id": got[0].ID,
			"messaging.message.body.size": int64(1), "messaging.rocketmq.message.type": "normal",
			"messaging.rocketmq.message.tag": "t", "messaging.rocketmq.message.keys": []string{"k"},
			"messaging.rocketmq.namespace": "ns",
		} {
			require.Equal(t, want, a[key], key)
		}

		poll := take(t, spans, "receive orders", 1)[0]
		require.Equal(t, trace.SpanKindClient, poll.SpanKind())
		require.Equal(t, s.SpanContext().SpanID(), poll.Links()[0].SpanContext.SpanID())
		require.Equal(t, "G", attributes(poll)["messaging.consumer.group.name"])
		require.Equal(t, int64(1), attributes(poll)["messaging.batch.message_count"])

		require.NoError(t, got[0].Extend(t.Context(), time.Minute))
		extend := take(t, spans, "extend orders", 1)[0]
		require.Equal(t, "settle", attributes(extend)["messaging.operation.type"])
		require.NoError(t, sc.Ack(t.Context(), got...))
		ack := take(t, spans, "ack orders", 1)[0]
		require.Equal(t, got[0].ID, attributes(ack)["messaging.message.id"])
		require.Equal(t, s.SpanContext().SpanID(), ack.Links()[0].SpanContext.SpanID())
	})
}

func TestSpans_ContinueTheTraceOfTheCallerOrOfTheMessage(t *testing.T) {
	traced(t, func(b *bubble, spans *tracetest.SpanRecorder) {
		t, c := b.T, b.client
		const passedOn = "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"
		p, err := c.NewProducer()
		require.NoError(t, err)
		m := &client.Message{Topic: "orders", Body: []byte("x"), TraceContext: passedOn}
		_, err = p.Send(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, "0102030405060708", take(t, spans, "send orders", 1)[0].Parent().SpanID().String())

		ctx, parent := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "job")
		_, err = p.Send(ctx, m)
		require.NoError(t, err)
		require.Equal(t, parent.SpanContext().SpanID(), take(t, spans, "send orders", 2)[1].Parent().SpanID())

		m.TraceContext = "nonsense"
		_, err = p.Send(t.Context(), m)
		require.NoError(t, err)
		require.False(t, take(t, spans, "send orders", 3)[2].Parent().IsValid())
	})
}

func TestSpans_SayWhatFailed(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	onNetwork(t, func(n *network) {
		for _, c := range []struct{ topic, kind string }{{"nowhere!", "_OTHER"}, {"refused", "40300"}} {
			_, err := n.sendTo(c.topic)
			require.Error(n, err)
			s := take(n.T, spans, "send "+c.topic, 1)[0]
			require.Equal(n, codes.Error, s.Status().Code)
			require.Equal(n, err.Error(), s.Status().Description)
			require.Equal(n, c.kind, attributes(s)["error.type"])
		}
	}, client.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
}

func TestSpans_OfManyAcksAreOne(t *testing.T) {
	traced(t, func(b *bubble, spans *tracetest.SpanRecorder) {
		t, c := b.T, b.client
		send(t, c, &client.Message{Topic: "orders", Body: []byte("x")}, &client.Message{Topic: "orders", Body: []byte("y")})
		sc, got := receive(t, c)
		require.Len(t, got, 2)
		require.NoError(t, sc.Ack(t.Context(), got...))
		ack := take(t, spans, "ack orders", 1)[0]
		require.Equal(t, int64(2), attributes(ack)["messaging.batch.message_count"])
		require.Len(t, ack.Links(), 2)
		require.Error(t, sc.ForwardToDeadLetterQueue(t.Context(), got[0]))
		take(t, spans, "dead_letter orders", 0)
	})
}
