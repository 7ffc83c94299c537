package operators_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

type rows = map[string]int

// loads is a function that gives one table after another; one that is nil is a failure. The last stays.
func loads(tables ...rows) (load func(context.Context) (rows, error), calls *atomic.Int32) {
	calls = new(atomic.Int32)
	return func(context.Context) (rows, error) {
		t := tables[min(int(calls.Add(1)), len(tables))-1]
		if t == nil {
			return nil, errTest
		}
		return t, nil
	}, calls
}

func itself(s string) string { return s }

func joined(v string, row int, found bool) string { return fmt.Sprint(v, row, found) }

func TestEnrich_JoinsWithTheTableOfTheTime(t *testing.T) {
	load, calls := loads(rows{"a": 1}, rows{"a": 2, "b": 3})
	in := flowtest.NewInput("a", "b").Pause(61*time.Second).Give("a", "b")
	out := flowtest.NewOutput[string]()
	p := flow.From(in).Enrich(time.Minute, load, itself, joined).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.Equal(t, []string{"a1 true", "b0 false", "a2 true", "b3 true"}, out.Values())
	in.RequireAcked(t)
	require.EqualValues(t, 2, calls.Load())
	require.EqualValues(t, 2, counter(t, res, "enrich", "table_loads"))
	st, _ := res.Snapshot.Stage("enrich")
	require.Equal(t, map[string]int64{"table_rows": 2, "table_age_ms": 1000}, st.Gauges)
}

func TestEnrich_DoesNotStartWithoutATable(t *testing.T) {
	for name, c := range map[string]struct {
		load func(context.Context) (rows, error)
		want string
	}{
		"failure": {func(context.Context) (rows, error) { return nil, errTest }, errTest.Error()},
		"panic":   {func(context.Context) (rows, error) { panic(errTest) }, errTest.Error()},
		"nothing": {func(context.Context) (rows, error) { return nil, nil }, "neither a table nor an error"},
	} {
		t.Run(name, func(t *testing.T) {
			in, out := flowtest.NewInput("a").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
			res := flowtest.Run(t, flow.From(in).Enrich(time.Minute, c.load, itself, joined).To(out))
			require.ErrorContains(t, res.Err, `flow: start stage "enrich": operators: load the table: `)
			require.ErrorContains(t, res.Err, c.want)
			require.Equal(t, []flowtest.State{flowtest.Unread}, in.States())
		})
	}
}

// A first load that hangs ends with the run's context.
func TestEnrich_EndsTheFirstLoadWithTheRun(t *testing.T) {
	hangs := func(ctx context.Context) (rows, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := flow.From(flowtest.NewInput("a").Redeliver(flowtest.Redelivery{})).Enrich(0, hangs, itself, joined).To(flowtest.NewOutput[string]())
	res := flowtest.Run(t, p, flowtest.StopAfter(time.Second))
	require.ErrorIs(t, res.Err, context.Canceled)
	require.Equal(t, time.Second, res.Took)
}

// What fails later is tried again sooner, and the old table stays meanwhile.
func TestEnrich_KeepsTheOldTableWhenALoadFails(t *testing.T) {
	var log bytes.Buffer
	load, calls := loads(rows{"a": 1}, nil, nil, nil, rows{"a": 2})
	in := flowtest.NewInput("a").Pause(66 * time.Second).Give("a").Pause(2 * time.Second).Give("a")
	out := flowtest.NewOutput[string]()
	p := flow.From(in).Enrich(time.Minute, load, itself, joined).To(out)
	res := flowtest.Run(t, p, flowtest.With(flow.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
	require.NoError(t, res.Err)
	require.Equal(t, []string{"a1 true", "a1 true", "a2 true"}, out.Values(), "loads at 0, 60, 61, 63 and 67 s")
	require.EqualValues(t, 5, calls.Load())
	require.EqualValues(t, 3, counter(t, res, "enrich", "table_failures"))
	require.Contains(t, log.String(), "the old one stays")
	require.Contains(t, log.String(), "age=1m3s")
}

// A panic of a later load is a failure of it, and of nothing else; without a time there is one load.
func TestEnrich_LoadsOnceWithoutATime(t *testing.T) {
	in := flowtest.NewInput("a").Pause(24 * time.Hour).Give("a")
	out := flowtest.NewOutput[string]()
	load, calls := loads(rows{"a": 1}, rows{"a": 2})
	require.NoError(t, flowtest.Run(t, flow.From(in).Enrich(0, load, itself, joined).To(out)).Err)
	require.Equal(t, []string{"a1 true", "a1 true"}, out.Values())
	require.EqualValues(t, 1, calls.Load())

	again, first := flowtest.NewInput("a").Pause(time.Hour).Give("a"), true
	res := flowtest.Run(t, flow.From(again).Enrich(time.Minute, func(context.Context) (rows, error) {
		if !first {
			panic(errTest)
		}
		first = false
		return rows{}, nil
	}, itself, joined).To(out))
	require.NoError(t, res.Err)
	require.Positive(t, counter(t, res, "enrich", "table_failures"))
}

func TestEnrich_LeavesWhatPanicsToThePolicy(t *testing.T) {
	load, _ := loads(rows{"a": 1})
	in, out, dead := flowtest.NewInput("a", "b", "a"), flowtest.NewOutput[string](), flowtest.NewOutput[flow.Failure]()
	res := flowtest.Run(t, flow.From(in).Enrich(0, load, itself, func(v string, row int, found bool) string {
		if !found {
			panic(errTest)
		}
		return joined(v, row, found)
	}).OnError(flow.DeadLetter(dead)).To(out))
	require.NoError(t, res.Err)
	require.Equal(t, []string{"a1 true", "a1 true"}, out.Values())
	require.Equal(t, "b", dead.Values()[0].Value)
	in.RequireAcked(t)
}

func TestEnrich_DoesNotBuildOutOfRange(t *testing.T) {
	load, _ := loads(rows{})
	require.ErrorContains(t, operators.Enrich(-1, load, itself, joined).Describe().Problem, "operators: enrich: every -1ns")
	require.ErrorContains(t, operators.Enrich(1, load, nil, joined).Describe().Problem, "operators: enrich: function is nil")
}

// slowly is a load that takes a second, and counts.
func slowly(calls *atomic.Int32) func(context.Context, string) (string, error) {
	return func(ctx context.Context, key string) (string, error) {
		n := calls.Add(1)
		if !sleeps(ctx, time.Second) {
			return "", ctx.Err()
		}
		if key == "broken" {
			return "", errTest
		}
		return fmt.Sprint(key, n), nil
	}
}

func sleeps(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func TestCached_LoadsAKeyOnceWhileItIsRemembered(t *testing.T) {
	var calls atomic.Int32
	in := flowtest.NewInput("a", "a", "b", "a").Pause(30*time.Second).Give("a").Pause(time.Minute).Give("a", "b")
	out := flowtest.NewOutput[string]()
	p := flow.From(in).ParMap(4, operators.Cached(10, time.Minute, slowly(&calls))).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	require.EqualValues(t, 4, calls.Load())
	got := out.Values()
	require.Equal(t, got[0], got[1], "who comes while it loads waits for it")
	require.Equal(t, []string{got[0], got[0], got[2], got[0], got[0]}, got[:5])
	require.NotEqual(t, got[0], got[5], "the time is over")
	require.EqualValues(t, 4, counter(t, res, "parallel map", "cache_misses"))
	require.EqualValues(t, 3, counter(t, res, "parallel map", "cache_hits"))
}

func TestCached_DoesNotRememberFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		get := operators.Cached(10, time.Minute, slowly(&calls))
		ends := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := get(t.Context(), "broken")
				ends <- err
			}()
		}
		require.Equal(t, []error{errTest, errTest}, []error{<-ends, <-ends})
		require.EqualValues(t, 2, calls.Load(), "who waited has tried by itself")
	})
}

// The end of the call that loads is not the failure of those that wait for it.
func TestCached_LoadsAnewWhenTheOneThatLoadsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		get := operators.Cached(10, time.Minute, slowly(&calls))
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := get(ctx, "a")
			first <- err
		}()
		synctest.Wait()
		impatient, end := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer end()
		_, err := get(impatient, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.AfterFunc(100*time.Millisecond, cancel)
		go func() { require.ErrorIs(t, <-first, context.Canceled) }()
		value, err := get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "a2", value)
	})
}

func TestCached_ForgetsTheKeyThatWasNotAskedForTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		get := operators.Cached(2, time.Hour, slowly(&calls))
		for _, key := range []string{"a", "b", "a", "c", "a", "b"} {
			_, err := get(t.Context(), key)
			require.NoError(t, err)
		}
		require.EqualValues(t, 4, calls.Load(), "a, b, c, and b again")
	})
}

// Forgotten while it loads, a key is loaded all the same for who waits.
func TestCached_ServesWhoWaitsForAKeyThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		get := operators.Cached(1, time.Hour, slowly(&calls))
		var served atomic.Int32
		for _, key := range []string{"a", "a", "b", "a"} {
			go func() {
				if _, err := get(t.Context(), key); err == nil {
					served.Add(1)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 4, served.Load())
	})
}

func TestCached_LetsGoWhoWaitsForAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		get := operators.Cached(1, time.Hour, func(ctx context.Context, key string) (string, error) {
			if sleeps(ctx, time.Second); calls.Add(1) == 1 {
				panic(errTest)
			}
			return key, nil
		})
		go func() { require.Panics(t, func() { _, _ = get(t.Context(), "a") }) }()
		synctest.Wait()
		value, err := get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "a", value)
	})
}

func TestCached_FailsForGoodOutOfRange(t *testing.T) {
	var calls atomic.Int32
	for _, get := range []func(context.Context, string) (string, error){
		operators.Cached(0, 1, slowly(&calls)), operators.Cached(1, 0, slowly(&calls)), operators.Cached[string, string](1, 1, nil),
	} {
		_, err := get(t.Context(), "a")
		require.True(t, stage.IsPermanent(err), err)
	}
}
