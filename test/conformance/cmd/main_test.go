package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/test/conformance"
	"github.com/rocketflow-io/rocketflow/test/rocketmq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_PrintsALineForEachRowAndWritesTheReport(t *testing.T) {
	t.Setenv(rocketmq.EndpointVariable, "")
	t.Setenv(rocketmq.BrokerVariable, "")
	file := filepath.Join(t.TempDir(), "out", "report.json")
	var out strings.Builder
	code, err := command(t.Context(), []string{"run", "-rows", "TR1,TR2,SE23", "-out", file}, &out)
	require.NoError(t, err)
	require.Zero(t, code)
	require.Contains(t, out.String(), "TR1 pass\nTR2 pass\nSE23 pass two entries\n")
	require.True(t, strings.HasSuffix(out.String(), "\n3 passed, 0 failed, 0 skipped\n"), out.String())
	report, err := conformance.ReadReport(file)
	require.NoError(t, err)
	require.Len(t, report.Outcomes, 3)
}

// The rows for a server that serves users alone run on another server, and count all the same.
func TestRun_AddsToTheReportOfAnotherRun(t *testing.T) {
	t.Setenv(rocketmq.EndpointVariable, "")
	t.Setenv(rocketmq.BrokerVariable, "")
	file := filepath.Join(t.TempDir(), "report.json")
	var out strings.Builder
	for _, args := range [][]string{{"run", "-rows", "TR1,AU2", "-out", file}, {"run", "-rows", "AU2,AU3", "-out", file, "-add"}} {
		code, err := command(t.Context(), args, &out)
		require.NoError(t, err)
		require.Zero(t, code)
	}
	require.Equal(t, "TR1 pass\nAU2 pass\n2 passed, 0 failed, 0 skipped\n"+"AU2 pass\nAU3 pass\n3 passed, 0 failed, 0 skipped\n", out.String())
	report, err := conformance.ReadReport(file)
	require.NoError(t, err)
	require.Len(t, report.Outcomes, 3)
	_, err = command(t.Context(), []string{"run", "-out", file + ".none", "-add"}, &out)
	require.ErrorContains(t, err, "read a report")
}

func TestDiff_FailsOnADifferenceWithoutAReason(t *testing.T) {
	dir := t.TempDir()
	embedded, real := filepath.Join(dir, "embedded.json"), filepath.Join(dir, "local.json")
	known := "../../../docs/fidelity.md"
	write := func(file, mode, branch string) {
		report := conformance.Report{Mode: mode, Outcomes: []conformance.Outcome{{ID: "SE23", Status: conformance.Pass, Branch: branch}}}
		require.NoError(t, report.WriteFile(file))
	}
	write(embedded, "embedded", "two entries")
	write(real, "local", "one entry")
	var out strings.Builder
	code, err := command(t.Context(), []string{"diff", "-known", known, embedded, real}, &out)
	require.NoError(t, err)
	require.Zero(t, code)
	require.Contains(t, out.String(), "SE23  embedded: two entries; local: one entry; ")

	code, err = command(t.Context(), []string{"diff", "-quirks", "-known", known, embedded, real}, &out)
	require.NoError(t, err)
	require.Equal(t, 1, code, "there is a quirk for it")

	write(real, "local", "none")
	code, err = command(t.Context(), []string{"diff", "-known", known, embedded, real}, &out)
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Contains(t, out.String(), "not in the list of known differences")
}

func TestCommand_SaysWhatItWants(t *testing.T) {
	for _, args := range [][]string{{}, {"walk"}, {"diff", "one"}} {
		code, err := command(t.Context(), args, &strings.Builder{})
		require.Equal(t, 2, code)
		require.ErrorContains(t, err, "want")
	}
}
