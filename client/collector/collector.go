// Package collector sends what a client measures to the collector that its server names.
//
// A RocketMQ server can ask its clients, in its settings, to export their metrics to a collector that
// it names. Given [Export], a client does:
//
//	c, err := client.New("rocketmq:8081", client.WithCollector(collector.Export))
//
// The metrics are those that [client.WithMeterProvider] describes. They are exported by OTLP over grpc,
// every minute and once more at the end, over a connection secured like the client's others and with
// its signed headers. When the server names another collector, or none any more, the client follows.
//
// It is a module of its own, so that only those who want it have the OpenTelemetry SDK in their program.
package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/rocketflow-io/rocketflow/client"
)

const (
	// Interval is how often a client exports.
	Interval = time.Minute
	// Timeout is how long one export may take.
	Timeout = 5 * time.Second
)

var _ client.ExportFunc = Export

// Export begins to export to a collector, for [client.WithCollector]. An export that fails is logged
// by the client, and what it was to carry is in the next one.
func Export(c client.Collector) (metric.MeterProvider, func(context.Context) error, error) {
	otlp, err := otlpmetricgrpc.New(context.Background(),
		otlpmetricgrpc.WithGRPCConn(c.Conn), otlpmetricgrpc.WithTimeout(Timeout))
	if err != nil {
		return nil, nil, fmt.Errorf("collector: %w", err)
	}
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	x := &export{collector: c, reader: reader, exporter: otlp, done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	go x.run(ctx)
	return provider, func(ctx context.Context) error {
		stop()
		<-x.done
		return errors.Join(x.once(ctx), provider.Shutdown(ctx), otlp.Shutdown(ctx))
	}, nil
}

// An export is what the SDK's periodic reader is, but for its failures: that would hand them to the
// error handler of the whole program, which prints them.
type export struct {
	collector client.Collector
	reader    *sdk.ManualReader
	exporter  sdk.Exporter
	data      metricdata.ResourceMetrics // reused
	done      chan struct{}              // closed when run has returned
}

func (x *export) run(ctx context.Context) {
	defer close(x.done)
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := x.once(ctx); err != nil && ctx.Err() == nil {
				x.collector.Log.Warn("metrics not exported", "collector", x.collector.Endpoint, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// once exports what has been measured so far.
func (x *export) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := x.reader.Collect(ctx, &x.data); err != nil {
		return err
	}
	signed, err := x.collector.Sign(ctx)
	if err != nil {
		return err
	}
	return x.exporter.Export(signed, &x.data)
}
