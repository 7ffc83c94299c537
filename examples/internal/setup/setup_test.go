package setup

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnvironment(string) string { return "" }

func TestParse_FillsInWhatIsLeftOut(t *testing.T) {
	o, err := Parse(nil, noEnvironment, os.Stderr)
	require.NoError(t, err)
	require.Equal(t, DefaultLease, o.Lease)
	require.Regexp(t, `^[a-z2-7]{8}$`, o.Run)
	require.Equal(t, filepath.Join(os.TempDir(), "rocketflow-flights-"+o.Run), o.Out)
	other, err := Parse(nil, noEnvironment, os.Stderr)
	require.NoError(t, err)
	require.NotEqual(t, o.Run, other.Run)
}

func TestParse_ReadsFlagsAndCredentials(t *testing.T) {
	environment := map[string]string{AccessKeyVariable: "me", SecretKeyVariable: "secret"}
	o, err := Parse([]string{"-endpoint", "h:1", "-run", "A-1_b", "-lease", "1h", "-out", "dir", "-json", "-flights", "f.csv"},
		func(name string) string { return environment[name] }, os.Stderr)
	require.NoError(t, err)
	require.Equal(t, Options{
		Flights: "f.csv", Endpoint: "h:1", Run: "A-1_b", Lease: time.Hour, Out: "dir", JSON: true,
		accessKey: "me", secretKey: "secret",
	}, o)
	require.Equal(t, []string{"flights-A-1_b", "late-flights-A-1_b", "etl-A-1_b"}, []string{o.FlightsTopic(), o.LateTopic(), o.Group()})
	require.Equal(t, filepath.Join("dir", "late-flights-A-1_b.jsonl"), o.LateFile())
}

func TestParse_ReportsAllFaults(t *testing.T) {
	_, err := Parse([]string{"-run", "a b", "-lease", "13h", "more"}, noEnvironment, os.Stderr)
	for _, text := range []string{`-run "a b"`, "-lease 13h0m0s", `argument "more"`} {
		require.ErrorContains(t, err, text)
	}
	var help bytes.Buffer
	_, err = Parse([]string{"-h"}, noEnvironment, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Contains(t, help.String(), "-endpoint HOST:PORT")
}

func TestStart_OnAnEmbeddedBroker(t *testing.T) {
	j, err := Start(t.Context(), Options{Run: "x", Out: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, "run x on an embedded broker, files in "+j.Out, j.String())
	result, err := j.Result()
	require.NoError(t, err)
	require.Zero(t, result.Sent)
	require.Zero(t, result.Backlog)
	require.NoError(t, result.Check())
	require.NoError(t, j.Close())
}

func TestResult_DoesNotInventWhatARealRocketMQDoesNotTell(t *testing.T) {
	j, err := Start(t.Context(), Options{Run: "x", Out: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	real := *j
	real.broker, real.Endpoint = nil, "h:1"
	result, err := real.Result()
	require.NoError(t, err)
	require.Equal(t, check.Unknown, result.Sent)
	require.Equal(t, check.Unknown, result.Backlog)
	require.Contains(t, real.String(), "on the RocketMQ at h:1")
}

func TestResult_FailsWhereAnOutputIsTorn(t *testing.T) {
	j, err := Start(t.Context(), Options{Run: "x", Out: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	require.NoError(t, os.WriteFile(j.LateFile(), []byte(`{"row":`), 0o600))
	_, err = j.Result()
	require.ErrorContains(t, err, "torn")
}

func TestStart_FailsWithTheClient(t *testing.T) {
	_, err := Start(t.Context(), Options{Run: "x", Out: t.TempDir(), Endpoint: "h:1", accessKey: "alone"})
	require.ErrorContains(t, err, "secret")
}

func TestAdvise_NamesTheRemedy(t *testing.T) {
	j := &Job{Options: Options{Run: "x"}}
	require.ErrorContains(t, j.Advise(fmt.Errorf("send: %w", client.ErrUnauthorized)), "ROCKETMQ_ACCESS_KEY")
	require.ErrorContains(t, j.Advise(client.ErrGroupNotFound), "mqadmin updateSubGroup")
	other := errors.New("another")
	require.Equal(t, other, j.Advise(other))
	require.NoError(t, j.Advise(nil))
}
