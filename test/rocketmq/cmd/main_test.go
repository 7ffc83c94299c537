package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWith_GivesTheCommandTheAddressesAndReturnsItsCode(t *testing.T) {
	var out bytes.Buffer
	code, err := with(t.Context(), []string{"ROCKETMQ_ENDPOINT=127.0.0.1:1"},
		[]string{"sh", "-c", "echo $ROCKETMQ_ENDPOINT; exit 7"}, &out, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 7, code)
	require.Equal(t, "127.0.0.1:1\n", out.String())
}

func TestWith_FailsForACommandThatDoesNotExist(t *testing.T) {
	_, err := with(t.Context(), nil, []string{"no-such-command"}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "run the command")
}

// The command is asked first, so that it can clean up; here it answers with a code of its own.
func TestWith_EndsTheCommandWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.ReadAtLeast(reader, make([]byte, 16), len("ready"))
		cancel()
		_, _ = io.Copy(io.Discard, reader)
	}()
	code, err := with(ctx, nil, []string{"sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"}, writer, io.Discard)
	require.NoError(t, writer.Close())
	require.NoError(t, err)
	require.Equal(t, 5, code)
}

// A child that outlived the command would go on without a server. It holds the writing end of the
// pipe, which the reader sees to the end only when the child is gone.
func TestWith_EndsWhatTheCommandLeavesBehind(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	code, err := with(t.Context(), nil, []string{"sh", "-c", "sleep 600 2>/dev/null & exit 0"}, writer, io.Discard)
	require.NoError(t, err)
	require.Zero(t, code)
	require.NoError(t, writer.Close())
	_, err = io.ReadAll(reader)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
}

func TestRun_RefusesWhatItDoesNotKnow(t *testing.T) {
	var errOut strings.Builder
	require.Equal(t, 1, run(t.Context(), []string{"-mode", "both"}, io.Discard, &errOut))
	require.Contains(t, errOut.String(), `want "local" or "cluster"`)
	require.Equal(t, 2, run(t.Context(), []string{"-no-such-flag"}, io.Discard, io.Discard))
}
