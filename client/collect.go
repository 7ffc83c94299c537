package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

// A Collector is where a server wants to have what its clients measure.
type Collector struct {
	Endpoint string
	// Conn is the connection to it, secured like all others of the client. The client closes it.
	Conn *grpc.ClientConn
	// Sign returns a context for one call, with the headers that identify the client.
	Sign func(ctx context.Context) (context.Context, error)
	Log  *slog.Logger // of the client
}

// ExportFunc begins to export to a collector what is measured with the provider that it returns. The
// client calls shutdown when it is to end, which then has a second for the last export.
type ExportFunc func(c Collector) (provider metric.MeterProvider, shutdown func(ctx context.Context) error, err error)

// WithCollector has the client send what [WithMeterProvider] describes to the collector that the server's
// settings name, for as long as they do. Package collector, a module of its own so that the client
// stays light, has an ExportFunc. The default, and nil, is to ignore what the server wants.
func WithCollector(export ExportFunc) Option {
	return func(c *config) { c.export = export }
}

// lastExport bounds what ending an export takes.
const lastExport = time.Second

// An exporter follows the wish of the server to have what is measured. It is nil for a client that
// ignores it.
type exporter struct {
	client  *Client
	changed chan struct{} // holds one if wanted has changed

	mu     sync.Mutex // guards wanted
	wanted string     // endpoint; empty for none

	stop func() // ends the present export; owned by run
}

func newExporter(c *Client) *exporter {
	if c.cfg.export == nil {
		return nil
	}
	return &exporter{client: c, changed: make(chan struct{}, 1), stop: func() {}}
}

// follow takes the wish of a server. Where the servers of a client differ, the last one has it.
func (e *exporter) follow(m *v2.Metric) {
	if e == nil {
		return
	}
	wanted := ""
	if m.GetOn() {
		at, err := endpoint.FromProto(m.GetEndpoints())
		if err != nil {
			e.client.cfg.log.Warn("the server names no usable collector", "error", err)
		}
		wanted = at.String()
	}
	e.want(wanted)
}

func (e *exporter) want(wanted string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wanted == wanted {
		return
	}
	e.wanted = wanted
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// run begins, changes and ends exports until ctx ends.
func (e *exporter) run(ctx context.Context) {
	defer func() { e.stop() }()
	for {
		select {
		case <-e.changed:
			e.change(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (e *exporter) change(ctx context.Context) {
	e.stop()
	e.stop = func() {}
	e.mu.Lock()
	wanted := e.wanted
	e.mu.Unlock()
	if wanted == "" {
		return
	}
	stop, err := e.start(ctx, wanted)
	if err != nil {
		e.client.cfg.log.Warn("nothing exported", "collector", wanted, "error", err)
		e.giveUp(wanted)
		return
	}
	e.stop = stop
}

// giveUp forgets a collector, so that it is tried again when a server names it the next time.
func (e *exporter) giveUp(collector string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wanted == collector {
		e.wanted = ""
	}
}

// start begins an export and returns what ends it.
func (e *exporter) start(ctx context.Context, to string) (stop func(), err error) {
	c := e.client
	cc, closer, err := c.conns.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	conn, ok := cc.(*grpc.ClientConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the connection made by WithConnect is a %T, not a *grpc.ClientConn", cc), closeAny(closer))
	}
	sign := func(ctx context.Context) (context.Context, error) {
		ctx, _, err := c.sign(ctx)
		return ctx, err
	}
	provider, shutdown, err := c.cfg.export(Collector{to, conn, sign, c.cfg.log})
	if err != nil {
		return nil, errors.Join(err, closeAny(closer))
	}
	end := func() {
		c.observer.meters.collector.Store(nil)
		ctx, cancel := context.WithTimeout(context.Background(), lastExport)
		defer cancel()
		if err := errors.Join(shutdown(ctx), closeAny(closer)); err != nil {
			c.cfg.log.Warn("last export failed", "collector", to, "error", err)
		}
	}
	i, err := newInstruments(provider, c)
	if err != nil {
		end()
		return nil, err
	}
	c.observer.meters.collector.Store(i)
	return end, nil
}
