package chaosflow

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/sources"
)

const (
	// dwellFor is how long a worker stays before and after a write, at most.
	dwellFor = 150 * time.Millisecond
	// silence is for how long nothing may be delivered until all is taken for acknowledged: what a
	// worker had that was killed comes again after its lease, and some seconds.
	silence = Lease + 8*time.Second
	// patience bounds each wait for the job. It is only reached by a test that fails.
	patience = 4 * time.Minute
)

func TestJob_EndsAsIfNothingHadHappened(t *testing.T) {
	server := newServer(t)
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("to have the same killed: make chaos CHAOS_SEED=%d", *seed)
	flights := readFlights(t)
	program := buildWorker(t)
	want := compute(flights)

	calm := newRun(t, program, "calm", 0, want)
	require.NoError(t, calm.send(t.Context(), sources.Slice(flights), 1e6))
	calm.finish()
	t.Logf("a run that nobody disturbed: %s", calm.told())
	calm.requireResults()

	r := newRun(t, program, "chaos", dwellFor, want)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- r.send(ctx, sources.Slice(flights), float64(len(flights))/(0.9*lasts.Seconds())) }()
	d := &disturber{t: t, crew: r.crew, server: server}
	if err := d.run(t.Context(), *seed, *lasts); err != nil {
		cancel()
		require.NoError(t, errors.Join(err, <-sent))
	}
	require.NoError(t, <-sent)
	d.log("all flights are sent, nothing more is killed")
	r.finish()

	t.Logf("workers killed %d times and frozen %d times, the proxy killed %d times, the broker %d times: %s",
		r.crew.kills, r.crew.frozen, d.outages["proxy"], d.outages["broker"], r.told())
	r.requireResults()
	require.GreaterOrEqual(t, r.crew.kills, leastKills(*lasts))
	require.Equal(t, map[string]int{"proxy": proxyKills, "broker": 1}, d.outages)
	seen, err := ReadJournals(r.crew.dir)
	require.NoError(t, err)
	require.Positive(t, seen.Again, "nothing was redelivered: the disturbance met nothing")
}
