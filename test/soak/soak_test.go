package soak_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/test/soak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Some virtual seconds, so that the long run is known to work before it is started.
func TestRun_LosesNothingWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report, err := soak.Run(t.Context(), soak.Options{Duration: 15 * time.Second, Seed: 1, Log: slog.New(slog.DiscardHandler)})
		t.Logf("%+v", report)
		require.NoError(t, err)
		require.Positive(t, report.Received)
		require.Positive(t, report.Cuts)
		require.Positive(t, report.Freezes)
		require.Positive(t, report.Refusals)
		require.Positive(t, report.Losses)
	})
}
