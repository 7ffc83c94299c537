package collector_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/client/collector"
)

// exchange is how long it takes at most until a client asks for the settings again.
const exchange = 5*time.Minute + time.Second

func TestExport_GoesWhereTheServerSays(t *testing.T) {
	onNetwork(t, func(n *network) {
		n.server.name(at(first))
		n.send() // which may be over before the export has begun
		n.send()
		time.Sleep(collector.Interval)
		synctest.Wait()
		c := n.collectors[first]
		require.Equal(n, 1, c.count())
		require.Equal(n, []string{"org.apache.rocketmq.message rocketmq_send_cost_time"}, c.last())
		require.Equal(n, []string{"GO"}, c.header("x-mq-language"))
		require.Contains(n, c.header("authorization")[0], "Credential=ak")
		time.Sleep(collector.Interval)
		synctest.Wait()
		require.Equal(n, 2, c.count())
		require.Zero(n, n.collectors[second].count())
	}, client.WithCollector(collector.Export), client.WithCredentials("ak", "sk"))
}

func TestExport_FollowsTheSettings(t *testing.T) {
	onNetwork(t, func(n *network) {
		n.send()
		time.Sleep(exchange)
		require.Zero(n, n.collectors[first].count(), "not asked for")
		n.server.name(at(first))
		time.Sleep(exchange + collector.Interval)
		require.NotZero(n, n.collectors[first].count())
		n.server.name(at(second))
		time.Sleep(exchange)
		synctest.Wait()
		last := n.collectors[first].count()
		time.Sleep(collector.Interval)
		synctest.Wait()
		require.Equal(n, last, n.collectors[first].count())
		require.NotZero(n, n.collectors[second].count())
		n.server.name(&v2.Metric{})
		time.Sleep(exchange)
		synctest.Wait()
		last = n.collectors[second].count()
		time.Sleep(exchange)
		require.Equal(n, last, n.collectors[second].count())
		n.server.name(&v2.Metric{On: true}) // and no endpoints
		time.Sleep(exchange)
		require.Equal(n, last, n.collectors[second].count())
	}, client.WithCollector(collector.Export))
}

func TestExport_HappensOnceMoreAtTheEnd(t *testing.T) {
	onNetwork(t, func(n *network) {
		n.server.name(at(first))
		n.send()
		require.Zero(n, n.collectors[first].count())
		require.NoError(n, n.client.Close())
		require.Equal(n, 1, n.collectors[first].count())
	}, client.WithCollector(collector.Export))
}

func TestExport_DoesNotHoldUpTheEnd(t *testing.T) {
	onNetwork(t, func(n *network) {
		n.server.name(&v2.Metric{On: true, Endpoints: &v2.Endpoints{
			Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: "10.0.9.9", Port: 4317}}}})
		n.send()
		start := time.Now()
		require.NoError(n, n.client.Close())
		require.LessOrEqual(n, time.Since(start), time.Second)
	}, client.WithCollector(collector.Export))
}

func TestExport_LogsAFailureAndGoesOn(t *testing.T) {
	var log bytes.Buffer
	onNetwork(t, func(n *network) {
		n.server.name(at(first))
		n.collectors[first].refuse(status.Error(codes.PermissionDenied, "not you"))
		n.send()
		time.Sleep(2*collector.Interval + collector.Timeout)
		synctest.Wait()
		require.Equal(n, 2, n.collectors[first].count())
	}, client.WithCollector(collector.Export), client.WithCredentials("ak", "secret"),
		client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.Contains(t, log.String(), "metrics not exported")
	require.Contains(t, log.String(), first)
	require.NotContains(t, log.String(), "secret")
}

func TestExport_IsBegunAgainAfterAFailure(t *testing.T) {
	var begun atomic.Int32
	export := func(c client.Collector) (metric.MeterProvider, func(context.Context) error, error) {
		if begun.Add(1) == 1 {
			return nil, nil, errors.New("not now")
		}
		return collector.Export(c)
	}
	onNetwork(t, func(n *network) {
		n.server.name(at(first))
		n.send()
		synctest.Wait()
		require.EqualValues(n, 1, begun.Load())
		time.Sleep(exchange)
		synctest.Wait()
		require.EqualValues(n, 2, begun.Load(), "with the next exchange of settings")
		time.Sleep(2 * exchange)
		synctest.Wait()
		require.EqualValues(n, 2, begun.Load())
		require.NotZero(n, n.collectors[first].count())
	}, client.WithCollector(export))
}

func TestExport_NeedsAConnectionOfGRPC(t *testing.T) {
	var log bytes.Buffer
	onNetwork(t, func(n *network) {
		connect := func(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
			cc, err := grpc.NewClient("passthrough:///"+endpoint, grpc.WithContextDialer(n.dial),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			return struct{ grpc.ClientConnInterface }{cc}, cc, err
		}
		require.NoError(n, n.client.Close())
		var err error
		n.client, err = client.New(access, client.WithConnect(connect), client.WithCollector(collector.Export),
			client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(n, err)
		n.server.name(at(first))
		n.send()
		require.NoError(n, n.client.Close())
		require.Zero(n, n.collectors[first].count())
	})
	require.Contains(t, log.String(), "WithConnect")
}
