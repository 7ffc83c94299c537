package operators_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

type call func(ctx context.Context, v int) (int, error)

// lasting is a function that takes as long as its value says, in milliseconds, and heeds its context.
func lasting(ctx context.Context, v int) (int, error) {
	select {
	case <-time.After(time.Duration(v) * time.Millisecond):
		return v, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// counter gives what a stage has counted under a name.
func counter(t *testing.T, res *flowtest.Result, stage, name string) int64 {
	t.Helper()
	st, ok := res.Snapshot.Stage(stage)
	require.True(t, ok, stage)
	return st.Counters[name]
}

func TestTimeout_FailsWhatTakesLonger(t *testing.T) {
	in := flowtest.NewInput(10, 2000, 30)
	out, dead := flowtest.NewOutput[int](), flowtest.NewOutput[flow.Failure]()
	p := flow.From(in).TryMap(operators.Timeout(time.Second, lasting)).OnError(flow.DeadLetter(dead)).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.Equal(t, []int{10, 30}, out.Values())
	require.Equal(t, 1040*time.Millisecond, res.Took)
	in.RequireAcked(t)

	var late *operators.TimeoutError
	require.ErrorAs(t, dead.Values()[0].Err, &late)
	require.Equal(t, time.Second, late.After)
	require.ErrorIs(t, late, context.DeadlineExceeded)
	require.True(t, late.Timeout())
	require.EqualError(t, late, "operators: no result within 1s")
	require.EqualValues(t, 1, counter(t, res, "map", "timeouts"))
	require.Zero(t, counter(t, res, "map", "overruns"))
}

// Were it left behind, its next try could meet it, and the run end before it does.
func TestTimeout_WaitsForAFunctionThatIgnoresItsContext(t *testing.T) {
	for name, fails := range map[string]error{"and succeeds": nil, "and fails": errTest} {
		t.Run(name, func(t *testing.T) {
			var working atomic.Int32
			deaf := func(context.Context, int) (int, error) {
				require.EqualValues(t, 1, working.Add(1))
				defer working.Add(-1)
				time.Sleep(time.Minute)
				return 7, fails
			}
			var log bytes.Buffer
			in, out := flowtest.NewInput(1), flowtest.NewOutput[int]()
			p := flow.From(in).ParMap(2, operators.Timeout(time.Second, deaf)).OnError(flow.Retry(1, nil).Then(flow.Skip())).To(out)
			res := flowtest.Run(t, p, flowtest.With(flow.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
			require.NoError(t, res.Err)
			in.RequireAcked(t)
			require.Contains(t, log.String(), "a function goes on after its timeout")
			if fails == nil {
				require.Equal(t, []int{7}, out.Values(), "what is done is not done again")
				require.Equal(t, time.Minute, res.Took)
				return
			}
			require.Equal(t, 2*time.Minute, res.Took)
			require.EqualValues(t, 2, counter(t, res, "parallel map", "timeouts"))
			require.EqualValues(t, 2, counter(t, res, "parallel map", "overruns"))
		})
	}
}

// The function's own failure in time, and the end of the context above it, are no timeouts.
func TestTimeout_LeavesOtherFailuresAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := operators.Timeout(time.Second, func(context.Context, int) (int, error) { return 0, errTest })
		_, err := f(t.Context(), 1)
		require.Equal(t, errTest, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = operators.Timeout(time.Second, lasting)(ctx, 5000)
		require.Equal(t, context.DeadlineExceeded, err)

		_, err = operators.Timeout(time.Minute, operators.Timeout(time.Second, lasting))(t.Context(), 5000)
		require.EqualError(t, err, "operators: no result within 1s")
		_, err = operators.Timeout(time.Second, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, stage.Permanent(errTest)
		})(t.Context(), 1)
		require.ErrorIs(t, err, errTest)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, stage.IsPermanent(err))
	})
}

// attempts is a function whose calls take turns with the given behaviours.
func attempts(calls ...call) (call, *atomic.Int32) {
	var n atomic.Int32
	return func(ctx context.Context, v int) (int, error) {
		return calls[int(n.Add(1)-1)%len(calls)](ctx, v)
	}, &n
}

func after(ms int, out int, err error) call {
	return func(ctx context.Context, _ int) (int, error) {
		if _, ended := lasting(ctx, ms); ended != nil {
			return 0, ended
		}
		return out, err
	}
}

func TestHedge_TakesTheFirstSuccess(t *testing.T) {
	other := errors.New("other failure")
	for name, c := range map[string]struct {
		first, second call
		out           int
		errs          []error
		calls         int
		took          int64 // ms
	}{
		"the first in time":           {after(40, 1, nil), nil, 1, nil, 1, 40},
		"the first fails in time":     {after(40, 0, errTest), nil, 0, []error{errTest}, 1, 40},
		"the first after all":         {after(80, 1, nil), after(100, 2, nil), 1, nil, 2, 80},
		"the second":                  {after(1000, 1, nil), after(30, 2, nil), 2, nil, 2, 80},
		"the first fails late":        {after(60, 0, errTest), after(30, 2, nil), 2, nil, 2, 80},
		"the second fails":            {after(90, 1, nil), after(10, 0, other), 1, nil, 2, 90},
		"both fail":                   {after(90, 0, errTest), after(10, 0, other), 0, []error{errTest, other}, 2, 90},
		"both fail, the second later": {after(60, 0, errTest), after(50, 0, other), 0, []error{errTest, other}, 2, 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, calls := attempts(c.first, c.second)
				begun := time.Now()
				out, err := operators.Hedge(50*time.Millisecond, f)(t.Context(), 0)
				require.Equal(t, c.took, time.Since(begun).Milliseconds())
				require.EqualValues(t, c.calls, calls.Load())
				if c.errs == nil {
					require.NoError(t, err)
					require.Equal(t, c.out, out)
				}
				for _, want := range c.errs {
					require.ErrorIs(t, err, want)
				}
			})
		})
	}
}

// A call that lost is over when the function returns: nothing of it goes on.
func TestHedge_WaitsForTheCallThatLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over atomic.Int32
		lingering := func(_ context.Context, _ int) (int, error) {
			time.Sleep(time.Minute)
			over.Add(1)
			return 1, nil
		}
		quick := after(10, 2, nil)
		for _, calls := range [][]call{{lingering, quick}, {after(60, 1, nil), lingering}} {
			over.Store(0)
			f, _ := attempts(calls...)
			_, err := operators.Hedge(50*time.Millisecond, f)(t.Context(), 0)
			require.NoError(t, err)
			require.EqualValues(t, 1, over.Load())
		}
	})
}

func TestHedge_BearsPanics(t *testing.T) {
	panics := func(context.Context, int) (int, error) { panic(errTest) }
	synctest.Test(t, func(t *testing.T) {
		f, _ := attempts(after(90, 0, context.Canceled), panics)
		_, err := operators.Hedge(50*time.Millisecond, f)(t.Context(), 0)
		var panicked *stage.PanicError
		require.ErrorAs(t, err, &panicked)
		require.NotEmpty(t, panicked.Stack)

		var ended atomic.Bool
		late := func(ctx context.Context, v int) (int, error) {
			_, _ = lasting(ctx, 60)
			return panics(ctx, v)
		}
		f, _ = attempts(late, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			ended.Store(true)
			return 0, ctx.Err()
		})
		require.PanicsWithValue(t, errTest, func() { _, _ = operators.Hedge(50*time.Millisecond, f)(t.Context(), 0) })
		require.True(t, ended.Load(), "the second call is over")
	})
}

func TestHedge_CountsItsCalls(t *testing.T) {
	f, _ := attempts(after(1000, 1, nil), after(10, 2, nil), after(10, 3, nil))
	in, out := flowtest.NewInput(0, 0), flowtest.NewOutput[int]()
	res := flowtest.Run(t, flow.From(in).TryMap(operators.Hedge(50*time.Millisecond, f)).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, []int{2, 3}, out.Values())
	require.EqualValues(t, 1, counter(t, res, "map", "hedges"))
	require.EqualValues(t, 1, counter(t, res, "map", "hedges_won"))
}

// outage is a function that fails up to a time of its first call. Several may call it at once.
func outage(d time.Duration) (call, *atomic.Int32) {
	begun := sync.OnceValue(time.Now)
	var calls atomic.Int32
	return func(_ context.Context, v int) (int, error) {
		calls.Add(1)
		if time.Since(begun()) < d {
			return 0, errTest
		}
		return v, nil
	}, &calls
}

func TestCircuitBreaker_LetsAPolicyWaitItOut(t *testing.T) {
	f, calls := outage(45 * time.Second)
	b := &operators.Breaker{Failures: 2, OpenFor: 30 * time.Second}
	in, out := flowtest.NewInput(1, 2, 3), flowtest.NewOutput[int]()
	second := func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
	p := flow.From(in).TryMap(operators.CircuitBreaker(b, f)).OnError(flow.Retry(10, second)).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.ElementsMatch(t, []int{1, 2, 3}, out.Values())
	in.RequireAcked(t)
	require.EqualValues(t, 6, calls.Load(), "1 and 2 fail, a trial fails after 30 s, and one of each succeeds after 60 s")
	require.EqualValues(t, 2, counter(t, res, "map", "breaker_opened"))
	require.Positive(t, counter(t, res, "map", "breaker_refused"))
	require.Equal(t, time.Minute, res.Took.Round(time.Second))
}

func TestCircuitBreaker_FailsAtOnceWhileOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, calls := outage(time.Hour)
		open := operators.CircuitBreaker(&operators.Breaker{Failures: 1, OpenFor: time.Minute}, f)
		_, err := open(t.Context(), 1)
		require.Equal(t, errTest, err)
		time.Sleep(20 * time.Second)
		_, err = open(t.Context(), 1)
		var refused *operators.BreakerOpenError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 40*time.Second, refused.RetryAfter().Round(time.Second))
		require.Equal(t, refused.RetryAfter(), stage.RetryAfter(err))
		require.EqualError(t, err, "operators: the circuit breaker is open for another 40s")
		require.EqualValues(t, 1, calls.Load())
		time.Sleep(refused.RetryAfter())
		_, err = open(t.Context(), 1)
		require.Equal(t, errTest, err, "a trial")
	})
}

// What waits holds up the stage and not the policy: no record fails for an outage that is shorter.
func TestCircuitBreaker_PausesCalls(t *testing.T) {
	f, calls := outage(70 * time.Second)
	b := &operators.Breaker{Failures: 1, OpenFor: 30 * time.Second, PauseFor: 10 * time.Minute}
	in, out := flowtest.NewInput(1, 2, 3, 4, 5), flowtest.NewOutput[int]()
	p := flow.From(in).ParMap(2, operators.CircuitBreaker(b, f)).OnError(flow.Retry(3, nil)).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.ElementsMatch(t, []int{1, 2, 3, 4, 5}, out.Values())
	require.Zero(t, counter(t, res, "parallel map", "breaker_refused"))
	require.LessOrEqual(t, calls.Load(), int32(9), "trials, one at a time")
	require.Equal(t, 90*time.Second, res.Took.Round(time.Second))
}

func TestCircuitBreaker_EndsAPauseInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := outage(time.Hour)
		paused := operators.CircuitBreaker(&operators.Breaker{Failures: 1, OpenFor: time.Minute, PauseFor: 5 * time.Second}, f)
		_, err := paused(t.Context(), 1)
		require.Equal(t, errTest, err)
		begun := time.Now()
		_, err = paused(t.Context(), 1)
		var refused *operators.BreakerOpenError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 5*time.Second, time.Since(begun))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = paused(ctx, 1)
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 6*time.Second, time.Since(begun))
	})
}

// While it is half open, as many trials run as it has, and what waits goes on when they are over.
func TestCircuitBreaker_WaitsForTheTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, calls := attempts(after(0, 0, errTest), after(5000, 1, nil), after(0, 2, nil))
		b := &operators.Breaker{Failures: 1, OpenFor: time.Minute, PauseFor: time.Hour}
		call := operators.CircuitBreaker(b, f)
		_, _ = call(t.Context(), 0)
		begun := time.Now()
		ended := make(chan time.Duration, 2)
		for range 2 {
			go func() {
				_, _ = call(t.Context(), 0)
				ended <- time.Since(begun).Round(time.Second)
			}()
		}
		require.Equal(t, 65*time.Second, <-ended)
		require.Equal(t, 65*time.Second, <-ended)
		require.EqualValues(t, 3, calls.Load())
	})
}

func TestCircuitBreaker_CountsWhatTheSystemIsToBlameFor(t *testing.T) {
	for name, c := range map[string]struct {
		breaker *operators.Breaker
		errs    []error
		opens   bool
	}{
		"failures in a row":    {&operators.Breaker{Failures: 3}, []error{errTest, errTest, errTest}, true},
		"not in a row":         {&operators.Breaker{Failures: 3}, []error{errTest, errTest, nil, errTest, errTest}, false},
		"by default five":      {&operators.Breaker{}, []error{errTest, errTest, errTest, errTest}, false},
		"permanent":            {&operators.Breaker{Failures: 1}, []error{stage.Permanent(errTest)}, false},
		"ignored by the user":  {&operators.Breaker{Failures: 1, Ignore: func(err error) bool { return errors.Is(err, errTest) }}, []error{errTest}, false},
		"a part of them":       {&operators.Breaker{Failures: 100, Rate: 0.5, MinCalls: 4}, []error{nil, errTest, nil, errTest}, true},
		"too small a part":     {&operators.Breaker{Failures: 100, Rate: 0.6, MinCalls: 4}, []error{nil, errTest, nil, errTest}, false},
		"a part of too little": {&operators.Breaker{Failures: 100, Rate: 0.5, MinCalls: 5}, []error{nil, errTest, nil, errTest}, false},
		"a timeout":            {&operators.Breaker{Failures: 1}, []error{&operators.TimeoutError{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := 0
				f := operators.CircuitBreaker(c.breaker, func(context.Context, int) (int, error) {
					at++
					return 0, c.errs[at-1]
				})
				for range c.errs {
					_, _ = f(t.Context(), 0)
				}
				require.Equal(t, len(c.errs), at)
				c.errs = append(c.errs, nil)
				_, err := f(t.Context(), 0)
				require.Equal(t, c.opens, err != nil, "%v", err)
			})
		})
	}
}

// The end of a run, or of a hedge, says nothing about the system; nor does it leave the trial taken.
func TestCircuitBreaker_DoesNotCountCallsThatWereCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := operators.CircuitBreaker(&operators.Breaker{Failures: 1}, lasting)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := f(ctx, 5000)
		require.ErrorIs(t, err, context.Canceled)
		_, err = f(t.Context(), 1)
		require.NoError(t, err)
	})
}

func TestCircuitBreaker_CountsPanics(t *testing.T) {
	f := operators.CircuitBreaker(&operators.Breaker{Failures: 1}, func(context.Context, int) (int, error) { panic(errTest) })
	require.Panics(t, func() { _, _ = f(t.Context(), 1) })
	_, err := f(t.Context(), 1)
	require.ErrorContains(t, err, "breaker is open")
}

func TestCalls_DoNotBuildOutOfRange(t *testing.T) {
	for name, f := range map[string]call{
		"timeout":         operators.Timeout(0, lasting),
		"hedge":           operators.Hedge(0, lasting),
		"breaker":         operators.CircuitBreaker(nil, lasting),
		"breaker's rate":  operators.CircuitBreaker(&operators.Breaker{Rate: 1.1}, lasting),
		"breaker's pause": operators.CircuitBreaker(&operators.Breaker{PauseFor: -1}, lasting),
		"no function":     operators.Hedge(1, operators.Timeout[int, int](1, nil)),
	} {
		problem := operators.TryMap(f).Describe().Problem
		require.ErrorContains(t, problem, "Timeout, CircuitBreaker and Hedge give none", name)
	}
}
