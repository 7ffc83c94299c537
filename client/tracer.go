package client

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const tracerName = "github.com/rocketflow-io/rocketflow/client"

// WithTracerProvider has the client make spans by OpenTelemetry's semantic conventions for messaging: for
// each message sent, each poll that brought messages, each message handled by a PushConsumer, and each
// settlement. The context of a send travels with the message, in [Message.TraceContext], by the rules
// of the W3C; a handler's context continues it. The default, and nil, is not to trace, which costs nothing.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(c *config) { c.tracers = provider }
}

// A tracer makes spans. A nil tracer makes spans that do nothing.
type tracer struct {
	tracer    trace.Tracer
	namespace string
}

func newTracer(c *config) *tracer {
	if c.tracers == nil {
		return nil
	}
	return &tracer{c.tracers.Tracer(tracerName), c.namespace}
}

// A span is one operation being traced, or nothing if it is zero.
type span struct{ trace.Span }

// end ends the span as the operation ended.
func (s span) end(err error) {
	if s.Span == nil {
		return
	}
	if err != nil {
		s.SetStatus(codes.Error, err.Error())
		s.SetAttributes(attribute.String("error.type", errorType(err)))
	}
	s.End()
}

// errorType is the server's code if it refused, and otherwise the kind of failure.
func errorType(err error) string {
	var refused *StatusError
	var silent *TransportError
	switch {
	case errors.As(err, &refused):
		return strconv.Itoa(int(refused.Code))
	case errors.As(err, &silent) && silent.kind != nil:
		return silent.kind.Error()
	default:
		return "_OTHER"
	}
}

// send begins the span of a message that is sent, and puts its context into the message. If ctx belongs
// to no trace, the message may: one that is passed on, for instance.
func (t *tracer) send(ctx context.Context, m *Message, of *member) span {
	if t == nil {
		return span{}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = extract(ctx, m)
	}
	ctx, s := t.tracer.Start(ctx, "send "+m.Topic, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(t.attributes("send", "send", m.Topic, of)...),
		trace.WithAttributes(messageAttributes(m)...))
	inject(ctx, m)
	return span{s}
}

func (s span) sent(r Receipt, err error) {
	if s.Span != nil && err == nil {
		s.SetAttributes(attribute.String("messaging.message.id", r.MessageID))
		s.SetAttributes(serverAttributes(r.Endpoint)...)
	}
	s.end(err)
}

// receive makes the span of a poll, which has ended.
func (t *tracer) receive(ctx context.Context, deliveries []*Delivery, began time.Time, of *member) {
	if t == nil {
		return
	}
	_, s := t.tracer.Start(ctx, "receive "+deliveries[0].Topic, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(began),
		trace.WithAttributes(t.attributes("receive", "receive", deliveries[0].Topic, of)...),
		trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(deliveries))),
		trace.WithAttributes(serverAttributes(deliveries[0].Endpoint())...),
		trace.WithLinks(links(deliveries)...))
	s.End()
}

// process begins the span of a message that is handled, and returns its context. It continues the trace
// of the message.
func (t *tracer) process(ctx context.Context, m *Message, of *member) (context.Context, span) {
	if t == nil {
		return ctx, span{}
	}
	ctx, s := t.tracer.Start(extract(ctx, m), "process "+m.Topic, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(t.attributes("process", "process", m.Topic, of)...),
		trace.WithAttributes(messageAttributes(m)...),
		trace.WithAttributes(attribute.String("messaging.message.id", m.ID)))
	return ctx, span{s}
}

// settle begins the span of a settlement of at least one delivery.
func (t *tracer) settle(ctx context.Context, deliveries []*Delivery, action Action, of *member) span {
	if t == nil {
		return span{}
	}
	first := deliveries[0]
	what := attribute.String("messaging.message.id", first.ID)
	if len(deliveries) > 1 {
		what = attribute.Int("messaging.batch.message_count", len(deliveries))
	}
	name := strings.ReplaceAll(action.String(), " ", "_")
	_, s := t.tracer.Start(ctx, name+" "+first.Topic, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(t.attributes(name, "settle", first.Topic, of)...),
		trace.WithAttributes(what),
		trace.WithAttributes(serverAttributes(first.Endpoint())...),
		trace.WithLinks(links(deliveries)...))
	return span{s}
}

// attributes are those that all spans have.
func (t *tracer) attributes(name, kind, topic string, of *member) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("messaging.system", "rocketmq"),
		attribute.String("messaging.operation.name", name),
		attribute.String("messaging.operation.type", kind),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.client.id", of.id),
	}
	if of.group != nil {
		all = append(all, attribute.String("messaging.consumer.group.name", of.group.GetName()))
	}
	if t.namespace != "" {
		all = append(all, attribute.String("messaging.rocketmq.namespace", t.namespace))
	}
	return all
}

func messageAttributes(m *Message) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.Int("messaging.message.body.size", len(m.Body)),
		attribute.String("messaging.rocketmq.message.type", strings.ToLower(typeOf(m).String())),
	}
	if m.Tag != "" {
		all = append(all, attribute.String("messaging.rocketmq.message.tag", m.Tag))
	}
	if len(m.Keys) > 0 {
		all = append(all, attribute.StringSlice("messaging.rocketmq.message.keys", m.Keys))
	}
	if m.MessageGroup != "" {
		all = append(all, attribute.String("messaging.rocketmq.message.group", m.MessageGroup))
	}
	if !m.DeliveryTime.IsZero() {
		all = append(all, attribute.Int64("messaging.rocketmq.message.delivery_timestamp", m.DeliveryTime.UnixMilli()))
	}
	return all
}

// serverAttributes name an endpoint, unless it has several addresses.
func serverAttributes(endpoint string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(endpoint)
	number, badPort := strconv.Atoi(port)
	if err != nil || badPort != nil {
		return nil
	}
	return []attribute.KeyValue{attribute.String("server.address", host), attribute.Int("server.port", number)}
}

// links lead to where the messages were sent.
func links(deliveries []*Delivery) []trace.Link {
	var all []trace.Link
	for _, d := range deliveries {
		sent := trace.SpanContextFromContext(extract(context.Background(), d.Message))
		if sent.IsValid() {
			all = append(all, trace.Link{SpanContext: sent, Attributes: []attribute.KeyValue{
				attribute.String("messaging.message.id", d.ID)}})
		}
	}
	return all
}

// extract returns a context that belongs to the trace of m, if m belongs to one.
func extract(ctx context.Context, m *Message) context.Context {
	return propagation.TraceContext{}.Extract(ctx, carrier{m})
}

func inject(ctx context.Context, m *Message) { propagation.TraceContext{}.Inject(ctx, carrier{m}) }

// A carrier has room for the traceparent header alone, as the protocol does.
type carrier struct{ message *Message }

const traceparent = "traceparent"

var _ propagation.TextMapCarrier = carrier{}

// Get returns the header if it is the one that there is.
func (c carrier) Get(key string) string {
	if key == traceparent {
		return c.message.TraceContext
	}
	return ""
}

// Set sets the header if there is room for it.
func (c carrier) Set(key, value string) {
	if key == traceparent {
		c.message.TraceContext = value
	}
}

// Keys returns the names of the headers.
func (carrier) Keys() []string { return []string{traceparent} }
