package chaosflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

const (
	// dwellFor is how long a worker stays before and after a write, at most.
	dwellFor = 150 * time.Millisecond
	// silence is for how long nothing may be delivered until all is taken for acknowledged: what a
	// worker had that was killed comes again after its lease, and some seconds.
	silence = Lease + 8*time.Second
	// patience bounds the wait for that. It is only reached by a test that fails.
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

	calm := newRun(t, program, "calm", 0)
	for i := range workers {
		require.NoError(t, calm.crew.start(i))
	}
	require.NoError(t, calm.send(t.Context(), flights, 1e6))
	calm.await(t.Context(), len(flights))
	calm.crew.drain(t)
	calm.requireResults(want)
	t.Logf("a run that nobody disturbed: %s", calm.told(flights))

	r := newRun(t, program, "chaos", dwellFor)
	for i := range workers {
		require.NoError(t, r.crew.start(i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- r.send(ctx, flights, float64(len(flights))/(0.9*lasts.Seconds())) }()
	d := &disturber{t: t, crew: r.crew, server: server}
	if err := d.run(t.Context(), *seed, *lasts); err != nil {
		cancel()
		require.NoError(t, errors.Join(err, <-sent))
	}
	require.NoError(t, <-sent)
	d.log("all flights are sent, nothing more is killed")
	r.await(t.Context(), len(flights))
	r.crew.drain(t)

	t.Logf("%d workers killed, the proxy %d times, the broker %d times: %s",
		r.crew.kills, d.outages["proxy"], d.outages["broker"], r.told(flights))
	r.requireResults(want)
	r.requireNoDeadLetters()
	require.GreaterOrEqual(t, r.crew.kills, leastKills(*lasts))
	require.Equal(t, map[string]int{"proxy": proxyKills, "broker": 1}, d.outages)
	seen, err := ReadJournals(r.crew.dir)
	require.NoError(t, err)
	require.Positive(t, seen.Again, "nothing was redelivered: the disturbance met nothing")
}

// requireResults fails unless the job has come to that, and shows some of what differs.
func (r *run) requireResults(want results) {
	r.Helper()
	got := r.results()
	require.Empty(r, differing(want.rows, got.rows), "rows that are missing, or not as they should be")
	require.Empty(r, differing(want.totals, got.totals), "totals that are missing, or not as they should be")
}

// differing gives what two maps have for keys at which they differ, for 20 of them at most.
func differing[K, V comparable](want, got map[K]V) (found []string) {
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for k := range keys {
		w, wanted := want[k]
		g, there := got[k]
		if w == g && wanted == there {
			continue
		}
		if found = append(found, fmt.Sprintf("%v: want %v (%t), have %v (%t)", k, w, wanted, g, there)); len(found) == 20 {
			break
		}
	}
	return found
}

// requireNoDeadLetters fails if the group has a topic of dead letters, and anything is in it.
func (r *run) requireNoDeadLetters() {
	r.Helper()
	dead, err := r.Stored(r.Context(), "%DLQ%"+r.group)
	var refused *admin.Error
	if errors.As(err, &refused) && refused.Code == admin.CodeTopicNotExist {
		return
	}
	require.NoError(r, err)
	require.Zero(r, dead, "dead letters")
}
