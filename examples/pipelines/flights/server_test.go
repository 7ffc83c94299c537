package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/examples/internal/setup"
	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// parts of what a run needs of a server.
type parts struct{ flights, late, group bool }

var everything = parts{true, true, true}

func TestFlights_NamesWhatIsMissingAndTheRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		has    parts
		stderr []string // ID stands for that of the run
	}{
		"topic":      {parts{late: true, group: true}, []string{`"flights-ID"`, "mqadmin updateTopic", "-t flights-ID "}},
		"late topic": {parts{flights: true, group: true}, []string{`"late-flights-ID"`, "mqadmin updateTopic", "-t late-flights-ID "}},
		"group":      {parts{flights: true, late: true}, []string{`"etl-ID"`, "mqadmin updateSubGroup", "-g etl-ID"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.has.group && os.Getenv(rocketmq.ModeVariable) == string(rocketmq.Cluster) {
				t.Skip("in CLUSTER mode the server creates a group that it does not know")
			}
			id := "missing-" + strconv.FormatUint(rand.Uint64(), 36)
			endpoint, _ := serverWith(t, setup.Options{Run: id}, c.has)
			out := t.TempDir()
			code, stdout, stderr := doJob(t, "-endpoint", endpoint, "-run", id, "-out", out)
			require.Equal(t, 1, code)
			for _, text := range c.stderr {
				require.Contains(t, stderr, strings.ReplaceAll(text, "ID", id))
			}
			require.Empty(t, stdout)
			files, err := os.ReadDir(out)
			require.NoError(t, err)
			require.Empty(t, files, "it finds out before it begins")
		})
	}
}

// serverWith gives the endpoint of a server with what a run needs, or parts of it: of the real
// RocketMQ that the environment names, or else of the embedded broker that it gives besides.
func serverWith(t *testing.T, run setup.Options, has parts) (endpoint string, embedded *broker.Broker) {
	t.Helper()
	var topics []string
	if has.flights {
		topics = append(topics, run.FlightsTopic())
	}
	if has.late {
		topics = append(topics, run.LateTopic())
	}
	var groups []string
	if has.group {
		groups = append(groups, run.Group())
	}
	if endpoint := os.Getenv(rocketmq.EndpointVariable); endpoint != "" {
		prepareReal(t, topics, groups)
		return endpoint, nil
	}
	t.Logf("on an embedded broker: %s is not set", rocketmq.EndpointVariable)
	embedded = prepareEmbedded(t, topics, groups)
	return embedded.Endpoint(), embedded
}

func prepareEmbedded(t *testing.T, topics, groups []string) *broker.Broker {
	t.Helper()
	opts := []brokertest.Option{brokertest.OnTCP(), brokertest.WithoutAutoCreate()}
	for _, topic := range topics {
		opts = append(opts, brokertest.WithTopics(broker.Topic{Name: topic}))
	}
	for _, group := range groups {
		opts = append(opts, brokertest.WithGroups(broker.Group{Name: group}))
	}
	return brokertest.New(t, opts...)
}

func prepareReal(t *testing.T, topics, groups []string) {
	t.Helper()
	server := admin.New(os.Getenv(rocketmq.BrokerVariable))
	names := admin.New(os.Getenv(rocketmq.NamesrvVariable))
	defer func() { require.NoError(t, server.Close()) }()
	defer func() { require.NoError(t, names.Close()) }()
	for _, topic := range topics {
		require.NoError(t, server.CreateTopic(t.Context(), admin.Topic{Name: topic, Type: "NORMAL", Queues: 8}))
		require.NoError(t, untilRouted(t.Context(), names, topic))
	}
	for _, group := range groups {
		require.NoError(t, server.CreateGroup(t.Context(), admin.Group{Name: group, RetryMaxTimes: broker.DefaultRetryMaxTimes}))
	}
}

// untilRouted waits until the name server knows the topic: a proxy that is asked before remembers
// for a while that there is none.
func untilRouted(ctx context.Context, names *admin.Client, topic string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := names.ReadQueues(ctx, topic)
		if err == nil && n > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("topic %q has no route: %w", topic, err)
		}
	}
}
