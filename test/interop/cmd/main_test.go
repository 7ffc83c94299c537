package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/interop"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCommand_RefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"-language", "cobol"}, {"-case", "go,none"}} {
		code, err := command(t.Context(), args, io.Discard)
		require.ErrorContains(t, err, "there is no")
		require.Equal(t, 2, code)
	}
}

func TestRun_PrintsALineForEachCaseAndACount(t *testing.T) {
	server, err := target.StartEmbedded(broker.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	language := interop.Language{
		Name:  "shell",
		Build: func(interop.Paths) [][]string { return nil },
		Run:   func(interop.Paths, string) []string { return []string{"sh", "-c", "echo sent hello"} },
		Skip:  map[string]string{"bye": "it stays"},
	}
	hello := interop.Case{Name: "hello", Topic: target.Topic{Type: "NORMAL"}, Rows: [][]string{{"sent hello"}}}
	silent := interop.Case{Name: "silent", Topic: target.Topic{Type: "NORMAL"}}
	source := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(source, "shell"), 0o755))
	runner := &interop.Runner{
		Servers: []target.Server{server}, Languages: []interop.Language{language}, Cases: []interop.Case{{Name: "bye"}, hello},
		Source: source, Out: t.TempDir(), Timeout: time.Minute,
	}
	var out bytes.Buffer
	code, err := run(t.Context(), runner, &out)
	require.NoError(t, err)
	require.Zero(t, code)
	require.Equal(t, "shell bye skip it stays\nshell hello pass\nembedded: 1 passed, 0 failed, 1 skipped\n", out.String())

	runner.Cases = []interop.Case{silent}
	code, err = run(t.Context(), runner, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 1, code)
}
