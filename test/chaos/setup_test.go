package chaos

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

var real = flag.Bool("real", false, "start a real RocketMQ and run the tests on it (needs Java 17 and Maven)")

// shared is the server of all tests; nil without the flag. It is written by TestMain alone.
var shared *rocketmq.Server

func TestMain(m *testing.M) {
	flag.Parse()
	if *real {
		var err error
		shared, err = rocketmq.Start(context.Background(), rocketmq.Options{
			Mode: rocketmq.Cluster, Proxies: 2, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds what a test waits for. It is only reached by a test that fails. What was leased
// through a proxy that died comes again when the lease is over, after a minute at most.
const patience = 3 * time.Minute

// A cluster is the server of one test.
type cluster struct {
	*testing.T
	*target.Target
	server *rocketmq.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if shared == nil {
		t.Skip("needs a real RocketMQ: run the tests with the flag -real (make test-chaos)")
	}
	for _, v := range shared.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return &cluster{T: t, Target: target.New(t), server: shared}
}

// client gives a client of the endpoints which ends with the test.
func (c *cluster) client(endpoints string) *client.Client {
	c.Helper()
	cl, err := client.New(endpoints, client.WithPlaintext(), client.WithLogger(slog.New(slog.NewTextHandler(c.Output(), nil))))
	require.NoError(c, err)
	c.Cleanup(func() { require.NoError(c, cl.Close()) })
	return cl
}

// outage kills the proxy, waits, and starts it again at its ports. It returns when it was killed, and when it
// answered again.
func (c *cluster) outage(proxy int, lasting time.Duration) (killed, back time.Time) {
	c.Helper()
	killed = time.Now()
	require.NoError(c, c.server.KillProxy(proxy))
	time.Sleep(lasting)
	require.NoError(c, c.server.StartProxy(c.Context(), proxy))
	return killed, time.Now()
}
