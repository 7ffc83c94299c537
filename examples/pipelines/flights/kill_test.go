package main

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/check"
	"github.com/rocketflow-io/rocketflow/examples/internal/setup"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

var seed = flag.Uint64("seed", 0, "decides where TestFlights_GoesOnAfterSIGKILL kills; 0 for another place each time")

// The journal of a whole run has at least this many bytes, and the first of them while it loads.
const (
	journalOfLoading = 1_500
	journalOfRun     = 2_200_000
)

// Killed at three random points and started again, the job ends with what it would have had: the
// book, the file and the server each make good for the others.
func TestFlights_GoesOnAfterSIGKILL(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("to replay: go test ./pipelines/flights -run %s -args -seed %d", t.Name(), *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	points := []int64{random.Int64N(journalOfLoading), random.Int64N(journalOfRun), random.Int64N(journalOfRun)}
	slices.Sort(points)

	id := "kill-" + strconv.FormatUint(*seed, 36)
	run := setup.Options{Run: id}
	server := newServer(t)
	prepare(t, server, run, everything)
	out := t.TempDir()
	args := []string{"-json", "-endpoint", server.Endpoint(), "-run", id, "-lease", "10s", "-out", out}
	for _, point := range points {
		killAt(t, args, filepath.Join(out, "journal-"+id+".jsonl"), point)
	}
	job, stdout, stderr := child(t, args)
	require.NoError(t, job.Run(), stderr)
	c := countsOf(t, stdout.String())
	requireJanuary(t, c)
	t.Logf("duplicates: %d", c.Duplicates)
	written, err := check.Rows(filepath.Join(out, "late-flights-"+id+".jsonl"))
	require.NoError(t, err, "a line is torn")
	require.Equal(t, 3843, written)
	requireLateTopic(t, server, run, 3843)
}

// requireLateTopic reads the topic of late flights until it has found so many, each counted once.
func requireLateTopic(t *testing.T, server target.Server, run setup.Options, want int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	group := "watch-" + run.Run
	require.NoError(t, server.CreateGroup(ctx, target.Group{Name: group, RetryMaxTimes: 1}))
	c, err := client.New(server.Endpoint(), client.WithPlaintext())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	rows := make(map[string]bool)
	require.NoError(t, flow.From(sources.RocketMQ(c, run.LateTopic(), group)).
		To(sinks.Func(func(_ context.Context, m *client.Message) error {
			if rows[m.Keys[0]] = true; len(rows) == want {
				stop()
			}
			return nil
		})).Run(ctx))
	require.Len(t, rows, want)
}

// killAt starts the job and kills it when its journal has grown to that many bytes.
func killAt(t *testing.T, args []string, journal string, size int64) {
	t.Helper()
	job, _, stderr := child(t, args)
	require.NoError(t, job.Start())
	ended := make(chan error, 1)
	go func() { ended <- job.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if info, err := os.Stat(journal); err != nil || info.Size() < size {
				continue
			}
			require.NoError(t, job.Process.Kill())
			require.ErrorContains(t, <-ended, "killed", "it ended before: %s", stderr)
			return
		case err := <-ended:
			require.FailNow(t, "it ended before it was killed", "%v: %s", err, stderr)
		}
	}
}

// child is the job in a process of its own: this test's program, which TestMain makes the job.
func child(t *testing.T, args []string) (job *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	job = exec.CommandContext(t.Context(), self, args...)
	job.Env = append(os.Environ(), childVariable+"=1")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	job.Stdout, job.Stderr = stdout, stderr
	return job, stdout, stderr
}
