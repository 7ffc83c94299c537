package client

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryPolicy_WaitsAsTheProtocolSays(t *testing.T) {
	exponential := RetryPolicy{Initial: 10 * time.Millisecond, Max: time.Second, Multiplier: 2}
	steps := RetryPolicy{Steps: []time.Duration{time.Second, 5 * time.Second, -1}}
	for _, c := range []struct {
		policy  RetryPolicy
		attempt int
		want    time.Duration
	}{
		{exponential, 1, 10 * time.Millisecond},
		{exponential, 2, 20 * time.Millisecond},
		{exponential, 7, 640 * time.Millisecond},
		{exponential, 8, time.Second},
		{exponential, math.MaxInt, time.Second},
		{exponential, 0, 10 * time.Millisecond},
		{exponential, -9, 10 * time.Millisecond},
		{steps, 1, time.Second},
		{steps, 2, 5 * time.Second},
		{steps, 3, 0},
		{steps, 99, 0},
		{RetryPolicy{}, 5, 0},
		{RetryPolicy{Initial: time.Second, Max: time.Minute, Multiplier: math.NaN()}, 2, 0},
		{RetryPolicy{Initial: time.Second, Max: time.Minute, Multiplier: math.Inf(1)}, 2, time.Minute},
		{RetryPolicy{Initial: time.Second, Max: -1, Multiplier: 2}, 2, 0},
		{RetryPolicy{Initial: math.MaxInt64, Max: math.MaxInt64, Multiplier: 2}, 9, math.MaxInt64},
	} {
		require.Equal(t, c.want, c.policy.Delay(c.attempt), "%+v at %d", c.policy, c.attempt)
	}
}
