package collector_test

import (
	"context"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/client/collector"
)

func ExampleExport() {
	// Nothing is sent before it is needed, and nothing exported before the server asks for it.
	c, err := client.New("rocketmq:8081", client.WithCollector(collector.Export))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Close())
	// Output: <nil>
}

// A program that exports by itself gives the client its own providers.
func Example_ownProviders() {
	b, err := broker.Start(broker.Options{InMemory: true, Topics: []broker.Topic{{Name: "flights"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, spans := sdk.NewManualReader(), tracetest.NewSpanRecorder()
	c, err := client.New(b.Endpoint(), client.WithDialer(b.Dialer()), client.WithPlaintext(),
		client.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader))),
		client.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := c.NewProducer()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = p.Send(context.Background(), &client.Message{Topic: "flights", Body: []byte("UA102")})
	var all metricdata.ResourceMetrics
	fmt.Println(err, reader.Collect(context.Background(), &all))
	fmt.Println(all.ScopeMetrics[0].Metrics[0].Name, "|", spans.Ended()[0].Name())
	fmt.Println(c.Close(), b.Close())
	// Output:
	// <nil> <nil>
	// rocketmq_send_cost_time | send flights
	// <nil> <nil>
}
