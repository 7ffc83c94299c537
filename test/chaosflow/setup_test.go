package chaosflow

import (
	"flag"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
)

// databaseVariable names the environment variable with the URL of the PostgreSQL.
const databaseVariable = "POSTGRES"

var (
	real  = flag.Bool("real", false, "start a real RocketMQ and run the job on it (needs Java 17, Maven, and a PostgreSQL)")
	lasts = flag.Duration("for", 5*time.Minute, "how long to disturb the job")
	seed  = flag.Uint64("seed", 0, "decides what is killed, and when; 0 for another each time")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer starts a RocketMQ that ends with the test.
func newServer(t *testing.T) *rocketmq.Server {
	t.Helper()
	if !*real {
		t.Skip("needs a real RocketMQ and a PostgreSQL: make chaos")
	}
	require.NotEmpty(t, os.Getenv(databaseVariable), "the URL of a PostgreSQL is to be in %s: make chaos", databaseVariable)
	server, err := rocketmq.Start(t.Context(), rocketmq.Options{
		Mode: rocketmq.Cluster, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return server
}
