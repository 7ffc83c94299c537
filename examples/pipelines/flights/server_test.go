package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/examples/internal/setup"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
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
			server := newServer(t)
			if !c.has.group && server.Mode() == target.Cluster {
				t.Skip("in CLUSTER mode the server creates a group that it does not know")
			}
			id := "missing-" + target.Prefix()
			prepare(t, server, setup.Options{Run: id}, c.has)
			out := t.TempDir()
			code, stdout, stderr := doJob(t, "-endpoint", server.Endpoint(), "-run", id, "-out", out)
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

// newServer gives the real RocketMQ that the environment names, or else an embedded broker.
func newServer(t *testing.T) target.Server {
	t.Helper()
	server, err := target.FromEnvironment()
	if errors.Is(err, target.ErrNoServer) {
		t.Logf("on an embedded broker: %v", err)
		server, err = target.StartEmbedded(broker.Options{})
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// prepare creates what a run needs of a server, or parts of it.
func prepare(t *testing.T, server target.Server, run setup.Options, has parts) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, wanted := range map[string]bool{run.FlightsTopic(): has.flights, run.LateTopic(): has.late} {
		if wanted {
			require.NoError(t, server.CreateTopic(ctx, target.Topic{Name: name, Type: "NORMAL", Queues: 8}))
		}
	}
	if has.group {
		require.NoError(t, server.CreateGroup(ctx, target.Group{Name: run.Group(), RetryMaxTimes: broker.DefaultRetryMaxTimes}))
	}
}
