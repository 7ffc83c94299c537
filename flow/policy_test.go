package flow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

func seconds(n int) func() backoff.BackOff {
	return func() backoff.BackOff { return backoff.NewConstantBackOff(time.Duration(n) * time.Second) }
}

func TestOnError_RetriesAndThenDoesWhatThePolicySays(t *testing.T) {
	graves := &collector[flow.Failure]{}
	for _, c := range []struct {
		name    string
		policy  flow.Policy
		tries   int
		done    int // of three, one of which fails
		skipped int64
		dead    int64
		failed  bool // Run returns an error
	}{
		{name: "nack", policy: flow.Nack(), tries: 1, done: 2, failed: true},
		{name: "retry, then nack", policy: flow.Retry(3, seconds(1)), tries: 4, done: 2, failed: true},
		{name: "skip", policy: flow.Skip(), tries: 1, done: 3, skipped: 1},
		{name: "retry, then skip", policy: flow.Retry(2, seconds(1)).Then(flow.Skip()), tries: 3, done: 3, skipped: 1},
		{name: "retry at once", policy: flow.Retry(2, nil).Then(flow.Skip()), tries: 3, done: 3, skipped: 1},
		{name: "retry, then dead letter", policy: flow.Retry(2, seconds(1)).Then(flow.DeadLetter(graves)), tries: 3, done: 3, dead: 1},
		{name: "retry, then stop", policy: flow.Retry(2, seconds(1)).Then(flow.Stop()), tries: 3, done: 2, failed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := sources.Values(1, 2, 3).Recorded()
				tries, begun := 0, time.Now()
				out := &collector[int]{}
				p := flow.From(src).TryMap(func(_ context.Context, v int) (int, error) {
					if v == 2 {
						tries++
						return 0, errTest
					}
					return v, nil
				}).Named("work").OnError(c.policy).To(out)
				err := p.Run(t.Context())
				done, _ := done(src)
				require.Equal(t, c.failed, err != nil, "%v", err)
				require.Equal(t, c.tries, tries)
				require.Equal(t, c.done, done)
				require.ElementsMatch(t, []int{1, 3}, out.values(), "a failure belongs to its record (rule 9)")
				st, _ := p.Snapshot().Stage("work")
				require.Equal(t, [5]int64{3, int64(c.tries), int64(c.tries - 1), c.skipped, c.dead},
					[5]int64{st.In, st.Errors, st.Retries, st.Skipped, st.DeadLettered})
				if c.name != "retry at once" {
					require.Equal(t, time.Duration(c.tries-1)*time.Second, time.Since(begun).Truncate(time.Second))
				}
			})
		})
	}
	require.Len(t, graves.values(), 1)
	f := graves.values()[0]
	require.Equal(t, []any{"work", 3, 2, 2, "2"}, []any{f.Stage, f.Attempt, f.Value, f.Source, f.Info.ID})
	require.ErrorIs(t, f.Err, errTest)
}

func TestOnError_DoesNotRetryPermanentErrors(t *testing.T) {
	for name, err := range map[string]error{"stage": stage.Permanent(errTest), "backoff": backoff.Permanent(errTest)} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			p := flow.From(sources.Values(1)).TryMap(func(context.Context, int) (int, error) {
				tries++
				return 0, err
			}).OnError(flow.Retry(5, nil).Then(flow.Skip())).To(&collector[int]{})
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, 1, tries)
		})
	}
}

func TestOnError_GovernsTheStagesSinceTheLast(t *testing.T) {
	fails := func(n int) func(context.Context, int) (int, error) { return failing(is(n)) }
	src := sources.Values(1, 2, 3, 4).Recorded()
	first, second := &collector[flow.Failure]{}, &collector[flow.Failure]{}
	p := flow.From(src).
		TryMap(fails(1)).OnError(flow.DeadLetter(first)).
		TryMap(fails(2)).TryMap(fails(3)).OnError(flow.DeadLetter(second)).
		TryMap(fails(4)). // no OnError follows: the nearest above holds
		To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, first.values(), 1)
	require.Len(t, second.values(), 3)
}

func TestOnError_HandsBackWhatSaysSo(t *testing.T) {
	src := sources.Values(1, 2).Redeliver(0, nil)
	handed := 0
	p := flow.From(src).TryMap(func(_ context.Context, v int) (int, error) {
		if v == 2 && handed < 3 {
			handed++
			return 0, stage.ErrHandedBack
		}
		return v, nil
	}).OnError(flow.Skip()).To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, 3, src.Outcomes()[1].HandedBack, "neither skipped nor counted as an attempt")
	require.True(t, src.Outcomes()[1].Done)
}

// The lease caps the retries: the record is handed back while its source still listens.
func TestRetry_EndsBeforeTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Values(1).Redeliver(1, nil).WithLease(time.Minute)
		begun, tries := time.Now(), 0
		p := flow.From(src).TryMap(func(context.Context, int) (int, error) {
			tries++
			return 0, errTest
		}).Named("work").OnError(flow.Retry(1000, seconds(10)).Then(flow.Skip())).To(&collector[int]{})
		require.NoError(t, p.Run(t.Context()))
		require.Less(t, time.Since(begun), time.Minute)
		require.Equal(t, 6, tries, "at 0, 10, … 50 s of a lease of 60 s")
		require.ErrorIs(t, src.Outcomes()[0].Err, errTest)
		st, _ := p.Snapshot().Stage("work")
		require.EqualValues(t, 1, st.LeaseExpired)
	})
}

// A dead letter must be safe before its record is acknowledged.
func TestDeadLetter_HandsBackWhenItsSinkFails(t *testing.T) {
	src := sources.Values(1).Redeliver(3, nil)
	graves := &collector[flow.Failure]{before: func(context.Context, []flow.Failure) error { return errTest }}
	p := flow.From(src).TryMap(failing(is(1))).OnError(flow.DeadLetter(graves)).To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	out := src.Outcomes()[0]
	require.False(t, out.Done)
	require.Equal(t, 3, out.Attempts)
	require.Equal(t, 3, graves.calls)
}

func TestRun_ReturnsTheFailuresOfSourcesThatCannotRedeliver(t *testing.T) {
	p := flow.From(sources.Values(1, 2, 3)).TryMap(failing(is(2))).To(&collector[int]{})
	err := p.Run(t.Context())
	var failed *flow.FailedError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, []any{"values", 1, "2"}, []any{failed.Source, failed.Count, failed.Info.ID})
	require.ErrorIs(t, err, errTest)
}

func TestStop_EndsReadingAndFinishesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sources.Slice(numbers(100)).ReadSize(10).Recorded()
		out := &collector[int]{before: slow[int](time.Second)}
		p := flow.From(src).TryMap(failing(is(15))).Named("work").OnError(flow.Stop()).To(out)
		err := p.Run(t.Context())
		var stopped *flow.PolicyError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, []any{"work", "16", 1}, []any{stopped.Stage, stopped.Info.ID, stopped.Attempt})
		require.ErrorIs(t, err, errTest)
		done, open := done(src)
		require.Equal(t, 1, open, "only the one that failed")
		require.Less(t, done, 100)
		require.Len(t, out.values(), done)
	})
}

func TestSource_GoesByItsPolicyForWhatCannotBeDecoded(t *testing.T) {
	graves := &collector[flow.Failure]{}
	out := &collector[int]{}
	p := flow.From[int](faultySource{}).OnError(flow.Retry(3, nil).Then(flow.DeadLetter(graves))).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int{1, 3}, out.values())
	require.Len(t, graves.values(), 1)
	var fault *stage.FaultError
	require.ErrorAs(t, graves.values()[0].Err, &fault)
	require.Equal(t, "line 2", fault.Position)
	require.Equal(t, 1, graves.values()[0].Attempt, "to decode it again would change nothing")
}

// patient is an error that tells how long to wait.
type patient struct{ wait time.Duration }

func (p patient) Error() string             { return "not now" }
func (p patient) RetryAfter() time.Duration { return p.wait }

// An error that tells how long to wait is waited for as long at least, by whatever backoff there is.
func TestRetry_WaitsAsLongAsTheErrorTells(t *testing.T) {
	for name, c := range map[string]struct {
		backoff func() backoff.BackOff
		wait    time.Duration
		took    time.Duration
	}{
		"no backoff":     {nil, time.Minute, time.Minute},
		"a shorter one":  {seconds(1), time.Minute, time.Minute},
		"a longer one":   {seconds(90), time.Minute, 90 * time.Second},
		"nothing to say": {seconds(1), -time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				tries := 0
				p := flow.From(sources.Values(1)).TryMap(func(context.Context, int) (int, error) {
					if tries++; tries == 1 {
						return 0, fmt.Errorf("wrapped: %w", patient{c.wait})
					}
					return tries, nil
				}).OnError(flow.Retry(1, c.backoff)).To(&collector[int]{})
				require.NoError(t, p.Run(t.Context()))
				require.Equal(t, c.took, time.Since(begun))
			})
		})
	}
}
