package operators_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/operators"
)

// letter gives the key of values such as "a1".
func letter(s string) string { return s[:1] }

func passOn(_ context.Context, s string) (string, error) { return s, nil }

func every(d time.Duration) func() backoff.BackOff {
	return func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
}

// keyed gives values of several keys: a0 b0 c0 a1 b1 c1 …
func keyed(keys string, each int) []string {
	var all []string
	for i := range each {
		for _, k := range keys {
			all = append(all, fmt.Sprintf("%c%d", k, i))
		}
	}
	return all
}

// ofKey leaves the values of a key, in order.
func ofKey(key string, values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return letter(v) != key })
}

// writtenAt tells when each value was written last.
func writtenAt(out *flowtest.Output[string]) map[string]time.Duration {
	at := map[string]time.Duration{}
	for _, w := range out.Writes() {
		for _, v := range w.Values {
			at[v] = w.At
		}
	}
	return at
}

func TestParMapKeyed_KeepsTheOrderOfEachKey(t *testing.T) {
	values := keyed("abcdefgh", 25)
	in, out := flowtest.NewInput(values...), flowtest.NewOutput[string]()
	var mu sync.Mutex
	busy, most := map[string]int{}, 0
	work := func(_ context.Context, s string) (string, error) {
		mu.Lock()
		busy[letter(s)]++
		require.Equal(t, 1, busy[letter(s)], "one value of a key at a time")
		n := 0
		for _, of := range busy {
			n += of
		}
		most = max(most, n)
		mu.Unlock()
		time.Sleep(time.Duration(len(s)*int(s[1]-'/')*int(s[0]-'`')) * time.Millisecond)
		mu.Lock()
		busy[letter(s)]--
		mu.Unlock()
		return s, nil
	}
	require.NoError(t, flowtest.Run(t, flow.From(in).KeyBy(letter).ParMap(4, work).To(out)).Err)
	in.RequireAcked(t)
	require.Equal(t, 4, most)
	require.ElementsMatch(t, values, out.Values())
	require.NotEqual(t, values, out.Values(), "keys go on independently of each other")
	for _, k := range "abcdefgh" {
		require.Equal(t, ofKey(string(k), values), ofKey(string(k), out.Values()))
	}
}

// Rule 9: a record that waits for a retry holds back its key, and nothing else.
func TestParMapKeyed_HoldsBackOnlyTheKeyThatWaits(t *testing.T) {
	in, out := flowtest.NewInput(keyed("ab", 3)...), flowtest.NewOutput[string]()
	p := flow.From(in).KeyBy(letter).ParMap(2, passOn).Named("work").OnError(flow.Retry(3, every(time.Hour))).To(out)
	require.NoError(t, flowtest.Run(t, p, flowtest.Fail("work", errTest).On("a1").Times(2)).Err)
	in.RequireAcked(t)
	require.Equal(t, map[string]time.Duration{"a0": 0, "b0": 0, "b1": 0, "b2": 0, "a1": 2 * time.Hour, "a2": 2 * time.Hour}, writtenAt(out))
	require.Equal(t, []string{"a0", "a1", "a2"}, ofKey("a", out.Values()))
}

// A key with much to do does not stand before another, however long its line.
func TestParMapKeyed_LetsAKeyPassALongLine(t *testing.T) {
	values := append(keyed("a", 500), "b0", "c0")
	in, out := flowtest.NewInput(values...), flowtest.NewOutput[string]()
	p := flow.From(in).KeyBy(letter).ParMap(2, passOn).Named("work").To(out)
	res := flowtest.Run(t, p, flowtest.Delay("work", time.Second).When(func(v string) bool { return letter(v) == "a" }))
	require.NoError(t, res.Err)
	require.Equal(t, 500*time.Second, res.Took)
	at := writtenAt(out)
	require.Zero(t, at["b0"])
	require.Zero(t, at["c0"])
}

// One that is handed back is passed by.
func TestParMapKeyed_GoesOnBehindOneThatIsHandedBack(t *testing.T) {
	in, out := flowtest.NewInput(keyed("ab", 2)...).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
	p := flow.From(in).KeyBy(letter).ParMap(2, passOn).Named("work").To(out)
	require.NoError(t, flowtest.Run(t, p, flowtest.Panic("work", errTest).On("a0").Times(1)).Err)
	in.RequireAcked(t)
	require.Equal(t, []string{"a1", "a0"}, ofKey("a", out.Values()))
}

// Rule 8 holds besides: the key of the source and that of the operator differ, and records fail.
func TestParMapKeyed_KeepsTheOrderOfItsSourceToo(t *testing.T) {
	values := keyed("abcde", 12)
	number := func(s string) string { return s[1:] }
	in, out := flowtest.NewInput(values...).Keyed(number), flowtest.NewOutput[string]()
	p := flow.From(in).
		FlatMap(func(s string) []string { return []string{s, strings.ToUpper(s)} }).
		KeyBy(func(s string) string { return strings.ToLower(letter(s)) }).ParMap(3, passOn).Named("work").
		OnError(flow.Retry(1, every(time.Second))).To(out)
	third := func(v string) bool { return v[len(v)-1]%3 == 0 && letter(v) != "A" }
	res := flowtest.Run(t, p,
		flowtest.Fail("work", errTest).When(third).Tries(3),
		flowtest.Delay("work", 10*time.Millisecond).When(func(v string) bool { return letter(v) == "b" }))
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	first := map[string]int{}
	for i, v := range out.Values() {
		if _, again := first[v]; !again {
			first[v] = i
		}
	}
	require.Len(t, first, 2*len(values))
	for i, v := range values {
		for _, w := range values[:i] {
			if number(v) == number(w) {
				require.Less(t, first[w], first[v], "%s and %s", w, v)
			}
		}
	}
}

// A key that cannot be told is a failure of the record, and is asked for again.
func TestParMapKeyed_FailsWhatItsKeyCannotBeToldOf(t *testing.T) {
	in, out := flowtest.NewInput("a0", "b0", "a1"), flowtest.NewOutput[string]()
	asked := 0
	key := func(s string) string {
		if s == "a0" {
			if asked++; asked < 3 {
				panic(errTest)
			}
		}
		if s == "b0" {
			panic(errTest)
		}
		return letter(s)
	}
	p := flow.From(in).KeyBy(key).ParMap(2, passOn).OnError(flow.Retry(2, every(time.Second)).Then(flow.Skip())).To(out)
	res := flowtest.Run(t, p)
	require.NoError(t, res.Err)
	in.RequireAcked(t)
	require.Equal(t, []string{"a1", "a0"}, out.Values())
	st, _ := res.Snapshot.Stage("parallel map")
	require.EqualValues(t, []int64{1, 5}, []int64{st.Skipped, st.Panics})
}

// In a drain that is cut short, what waits for its key is handed back.
func TestParMapKeyed_HandsBackWhatWaitsWhenTheRunMustEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := flowtest.NewInput(keyed("ab", 10)...).Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
		work := func(ctx context.Context, s string) (string, error) {
			if letter(s) == "a" {
				<-ctx.Done()
			}
			return s, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := flow.From(in).KeyBy(letter).ParMap(2, work).To(out).Run(ctx, flow.WithDrainTimeout(time.Second))
		var drained *flow.DrainError
		require.ErrorAs(t, err, &drained)
		require.Equal(t, 10, drained.HandedBack)
		require.Equal(t, ofKey("b", keyed("ab", 10)), out.Values())
	})
}

func TestParMapKeyed_IsDescribed(t *testing.T) {
	p := flow.From(flowtest.NewInput("a0")).KeyBy(letter).ParMap(3, passOn).To(flowtest.NewOutput[string]())
	require.Contains(t, p.Explain(), "parallel map; from s1; keeps order per key; on 3 goroutines")
	require.ErrorContains(t, operators.ParMapKeyed[string, string, string](1, nil, passOn).Describe().Problem, "function is nil")
	require.ErrorContains(t, operators.ParMapKeyed(0, letter, passOn).Describe().Problem, "0 goroutines")
	require.NoError(t, operators.ParMapKeyed(1, letter, passOn).Describe().Problem)
}
