package pacing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

func TestWait_WaitsUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.NoError(t, pacing.Wait(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(begun))

		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		begun = time.Now()
		require.Equal(t, cause, pacing.Wait(ctx, time.Minute))
		require.Equal(t, time.Second, time.Since(begun))
		require.Equal(t, cause, pacing.Wait(ctx, 0))
	})
}

func TestForever_HasNoEnd(t *testing.T) {
	b := pacing.Forever()
	for range 1000 {
		require.Positive(t, b.NextBackOff())
	}
	require.LessOrEqual(t, b.NextBackOff(), 15*time.Second, "half of it more at random")
}
