package client

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meterName and the names below are those that clients of RocketMQ have in common.
const meterName = "org.apache.rocketmq.message"

// WithMeterProvider has the client measure itself by OpenTelemetry: histograms, in milliseconds, of how
// long attempts to send take (rocketmq_send_cost_time), messages take from server to client
// (rocketmq_delivery_latency), wait for a handler (rocketmq_await_time), and are in it
// (rocketmq_process_time); and how many messages and bytes wait (rocketmq_consumer_cached_messages,
// rocketmq_consumer_cached_bytes). Their labels are topic, client_id, consumer_group and
// invocation_status, success or failure. The default, and nil, is not to measure, which costs nothing.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(c *config) { c.meters = provider }
}

// instruments are what one provider measures with.
type instruments struct {
	histograms [numHistograms]metric.Float64Histogram
	gauges     metric.Registration
}

// histogram is what is measured.
type histogram int

const (
	sendCost histogram = iota
	deliveryLatency
	awaitTime
	processTime
	numHistograms
)

// newInstruments registers the instruments. What is cached is asked of the members of the client, when
// the provider wants to know.
func newInstruments(provider metric.MeterProvider, c *Client) (*instruments, error) {
	b := &meterBuilder{meter: provider.Meter(meterName)}
	i := &instruments{}
	i.histograms[sendCost] = b.histogram("rocketmq_send_cost_time",
		"How long an attempt to send takes.", 1, 5, 10, 20, 50, 200, 500)
	i.histograms[deliveryLatency] = b.histogram("rocketmq_delivery_latency",
		"How long what a poll brings takes from the server to the client.", 1, 5, 10, 20, 50, 200, 500)
	i.histograms[awaitTime] = b.histogram("rocketmq_await_time",
		"How long a message waits for its handler.", 1, 5, 20, 100, 1000, 5000, 10000)
	i.histograms[processTime] = b.histogram("rocketmq_process_time",
		"How long a handler takes.", 1, 5, 10, 100, 1000, 10000, 60000)
	messages := b.gauge("rocketmq_consumer_cached_messages", "Messages that wait in the client.", "{message}")
	bytes := b.gauge("rocketmq_consumer_cached_bytes", "Bytes of the bodies that wait in the client.", "By")
	if b.err != nil {
		return nil, b.err
	}
	var err error
	i.gauges, err = b.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c.eachMember(func(m *member) {
			if m.cached == nil {
				return
			}
			m.cached(func(topic string, n, size int64) {
				l := m.labels(topic, untold)
				o.ObserveInt64(messages, n, l.observe...)
				o.ObserveInt64(bytes, size, l.observe...)
			})
		})
		return nil
	}, messages, bytes)
	return i, err
}

// meterBuilder keeps the first error.
type meterBuilder struct {
	meter metric.Meter
	err   error
}

func (b *meterBuilder) histogram(name, description string, bounds ...float64) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(name, metric.WithUnit("ms"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(bounds...))
	b.keep(err)
	return h
}

func (b *meterBuilder) gauge(name, description, unit string) metric.Int64ObservableGauge {
	g, err := b.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	b.keep(err)
	return g
}

func (b *meterBuilder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

// outcome is the label of how something went.
type outcome int8

const (
	untold outcome = iota // where it makes no sense
	success
	failure
)

func outcomeOf(err error) outcome {
	if err != nil {
		return failure
	}
	return success
}

// A subject is what a measurement is about.
type subject struct {
	member  *member
	topic   string
	outcome outcome
}

// record measures a duration with both.
func (m *meters) record(ctx context.Context, h histogram, d time.Duration, of subject) {
	for _, i := range [...]*instruments{m.own, m.collector.Load()} {
		if i != nil {
			l := of.member.labels(of.topic, of.outcome)
			i.histograms[h].Record(ctx, float64(d)/float64(time.Millisecond), l.record...)
		}
	}
}

// meters are the instruments of the user's provider and of the collector that a server names; each may
// be nil.
type meters struct {
	own       *instruments
	collector atomic.Pointer[instruments] // stored by the exporter
}

// labels are a set of labels in the forms that the API takes, so that no measurement makes them anew.
type labels struct {
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

type labelsKey struct {
	topic   string
	outcome outcome
}

// labels returns the labels of what the member does with a topic.
func (m *member) labels(topic string, o outcome) *labels {
	key := labelsKey{topic, o} // of topics there are few, and they end with the member
	if known, ok := m.labelled.Load(key); ok {
		return known.(*labels)
	}
	attributes := []attribute.KeyValue{attribute.String("topic", topic), attribute.String("client_id", m.id)}
	if m.group != nil {
		attributes = append(attributes, attribute.String("consumer_group", m.group.GetName()))
	}
	switch o {
	case success:
		attributes = append(attributes, attribute.String("invocation_status", "success"))
	case failure:
		attributes = append(attributes, attribute.String("invocation_status", "failure"))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	l, _ := m.labelled.LoadOrStore(key, &labels{[]metric.RecordOption{set}, []metric.ObserveOption{set}})
	return l.(*labels)
}
