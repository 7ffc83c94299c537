package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestDefectB19_ASlowLiteTopicHoldsBackNoOther(t *testing.T) {
	inBubble(t, func(r *rig) {
		var consumed atomic.Int32
		r.litePush("L", []string{"slow", "A", "B"}, func(_ context.Context, m *client.Message) error {
			if m.LiteTopic == "slow" {
				time.Sleep(30 * time.Second)
			}
			consumed.Add(1)
			return nil
		})
		r.sendLite("slow", "1")
		r.sendLite("A", "1", "2", "3")
		r.sendLite("B", "1", "2", "3")
		time.Sleep(10 * time.Second)
		require.EqualValues(r, 6, consumed.Load())
		time.Sleep(30 * time.Second)
	}, lite)
}

// What a server takes away in the same breath in which it answers the settings is gone.
func TestDefectB19_ALiteTopicIsLostFromTheFirstMomentOn(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		for range 20 { // as soon as the stream stands, and again
			server.commands <- liteCommand("A")
		}
		var lost atomic.Int32
		lp, err := n.client.NewLitePushConsumer("G", "parent", func(context.Context, *client.Message) error { return nil },
			client.WithUnsubscribeNotice(func(string) { lost.Add(1) }))
		require.NoError(n, err)
		ended := make(chan error, 1)
		go func() { ended <- lp.Run(n.Context()) }()
		synctest.Wait()
		require.NoError(n, lp.SubscribeLite(n.Context(), "B"))
		server.commands <- liteCommand("B")
		synctest.Wait()
		require.Empty(n, lp.LiteTopics())
		require.EqualValues(n, 1, lost.Load())
		require.NoError(n, lp.Close())
		require.NoError(n, <-ended)
	})
}

func TestDefectB19_TheLengthOfALiteTopicIsThatOfTheServer(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), strings.Repeat("a", 64)))
		for _, name := range []string{strings.Repeat("a", 65), strings.Repeat("日", 22), "日"} {
			var argument *client.ArgumentError
			require.ErrorAs(n, c.SubscribeLite(n.Context(), name), &argument, "not a matter of how characters are counted")
		}
	})
}

// A server that changes its mind about metrics has them moved while they are used.
func TestDefectC5_MetricsMayBeMovedWhileTheyAreUsed(t *testing.T) {
	var moved atomic.Int32
	export := func(client.Collector) (metric.MeterProvider, func(context.Context) error, error) {
		moved.Add(1)
		return noop.NewMeterProvider(), func(context.Context) error { return nil }, nil
	}
	onNetwork(t, single, func(n *network) {
		var answers atomic.Int32
		n.at(single[0]).telemetry = answerSettings(func(s *v2.Settings) *v2.Settings {
			i := answers.Add(1)
			s.Metric = &v2.Metric{On: i%4 != 0, Endpoints: &v2.Endpoints{Scheme: v2.AddressScheme_IPv4,
				Addresses: []*v2.Address{{Host: fmt.Sprint("10.0.9.", i%3+1), Port: 4317}}}}
			return s
		})
		p := n.producer()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 { // each topic is new, so settings are exchanged again
					_, err := p.Send(n.Context(), message(fmt.Sprint("t", i, "-", j), "x"))
					require.NoError(n, err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.Greater(n, moved.Load(), int32(1))
	}, client.WithCollector(export))
}
