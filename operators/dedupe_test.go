package operators_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// spiedStore shows each call to a test, which may fail it, or let it take its time.
type spiedStore struct {
	state.Store
	onGet    func(ctx context.Context) error
	onCommit func(ctx context.Context, c *state.Changes) error
}

func (s *spiedStore) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	if s.onGet != nil {
		if err := s.onGet(ctx); err != nil {
			return nil, err
		}
	}
	return s.Store.Get(ctx, table, keys...)
}

func (s *spiedStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	if s.onCommit != nil {
		if err := s.onCommit(ctx, c); err != nil {
			return state.Any, err
		}
	}
	return s.Store.Commit(ctx, c)
}

func spied() *spiedStore { return &spiedStore{Store: state.NewMemory()} }

// first is the id of values such as "a1" and "a2", which are the same.
func first(v string) string { return v[:min(len(v), 1)] }

// deduped gives a pipeline that writes each id once.
func deduped(in *flowtest.Input[string], store state.Store, out *flowtest.Output[string]) *flow.Pipeline {
	return flow.From(in).Dedupe(first, store, "seen", time.Hour).To(out)
}

// failures gives the error n times, and then nil.
func failures(n int, err error) func() error {
	var mu sync.Mutex
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if n--; n >= 0 {
			return err
		}
		return nil
	}
}

func TestDedupe_DropsWhatWasProcessed(t *testing.T) {
	store := state.NewMemory()
	in := flowtest.NewInput("a1", "b1").Pause(time.Minute).Give("a2", "c1", "b2")
	out := flowtest.NewOutput[string]()
	res := flowtest.Run(t, deduped(in, store, out))
	require.NoError(t, res.Err)
	require.Equal(t, []string{"a1", "b1", "c1"}, out.Values())
	in.RequireAcked(t)

	in.Give("c2", "d1", "a3")
	require.NoError(t, flowtest.Run(t, deduped(in, store, out)).Err, "another run")
	require.Equal(t, []string{"d1"}, out.Values()[3:])
	in.RequireAcked(t)

	in.Give("a4")
	p := flow.From(in).Dedupe(first, store, "others", 0).To(out)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, "a4", out.Values()[4], "a table of its own")
}

func TestDedupe_ForgetsWhatHasExpired(t *testing.T) {
	in, out := flowtest.NewInput("a1").Pause(time.Hour-1).Give("a2").Pause(time.Second).Give("a3"), flowtest.NewOutput[string]()
	require.NoError(t, flowtest.Run(t, deduped(in, state.NewMemory(), out)).Err)
	require.Equal(t, []string{"a1", "a3"}, out.Values())
}

// What is marked was written, and what is acknowledged was marked.
func TestDedupe_MarksAfterSuccessAndBeforeTheAcknowledgement(t *testing.T) {
	store, out := spied(), flowtest.NewOutput[string]()
	store.onCommit = func(_ context.Context, c *state.Changes) error {
		for _, w := range c.Writes {
			if !slices.ContainsFunc(out.Values(), func(v string) bool { return strings.HasSuffix(string(w.Key), first(v)) }) {
				t.Errorf("%q is marked and was not written", w.Key)
			}
		}
		time.Sleep(10 * time.Second)
		return nil
	}
	in := flowtest.NewInput("a1", "b1")
	res := flowtest.Run(t, deduped(in, store, out), flowtest.Delay("output", time.Second))
	require.NoError(t, res.Err)
	for _, o := range in.Outcomes() {
		require.Equal(t, flowtest.Acked, o.State)
		require.GreaterOrEqual(t, o.Deliveries[0].Settled, 11*time.Second)
	}
}

func TestDedupe_TakesWhatFailedForNoDuplicate(t *testing.T) {
	in, out := flowtest.NewInput("a1", "b1").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
	res := flowtest.Run(t, deduped(in, state.NewMemory(), out), flowtest.Fail("output", errTest).On("a1").Times(2))
	require.NoError(t, res.Err)
	require.Equal(t, []string{"b1", "a1"}, out.Values())
	require.Len(t, in.Outcomes()[0].Deliveries, 3)
	in.RequireAcked(t)
}

// retries is a retry topic that sends nothing.
type retries struct {
	*flowtest.Output[flow.Failure]
	again func() bool
}

var _ stage.RetrySink = retries{}

func (r retries) ComesAgain(flow.Failure) bool { return r.again() }
func (retries) Redelivery() time.Duration      { return time.Second }

// Rule 5: what a policy below has come again is acknowledged, and is no duplicate then.
func TestDedupe_DoesNotMarkWhatIsPutOff(t *testing.T) {
	for _, row := range []struct {
		name  string
		again func() bool
		want  []string
	}{
		{"comes again", func() bool { return true }, []string{"b1", "a2"}},
		{"is dead", func() bool { return false }, []string{"b1"}},
		{"may come again", func() bool { panic("nobody knows") }, []string{"b1", "a2"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, out := flowtest.NewInput("a1", "b1").Pause(time.Second).Give("a2", "b2"), flowtest.NewOutput[string]()
			buried := flowtest.NewOutput[flow.Failure]().Named("buried")
			p := flow.From(in).Dedupe(first, state.NewMemory(), "seen", 0).
				Map(func(v string) string { return v }).OnError(flow.DeadLetter(retries{buried, row.again})).To(out)
			res := flowtest.Run(t, p, flowtest.Fail("map", errTest).On("a1"))
			require.NoError(t, res.Err)
			require.Equal(t, row.want, out.Values())
			require.Len(t, buried.Values(), 1)
			in.RequireAcked(t)
		})
	}
}

func TestDedupe_SettlesTheSecondInFlightWithTheFirst(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		in, out := flowtest.NewInput("a1", "a2").Pause(time.Second).Give("a3"), flowtest.NewOutput[string]()
		res := flowtest.Run(t, deduped(in, state.NewMemory(), out), flowtest.Delay("output", time.Minute))
		require.NoError(t, res.Err)
		require.Equal(t, []string{"a1"}, out.Values())
		for _, o := range in.Outcomes() {
			require.Equal(t, flowtest.Acked, o.State)
			require.GreaterOrEqual(t, o.Deliveries[0].Settled, time.Minute, "an earlier end would lose it, if the first failed")
		}
	})
	t.Run("handed back", func(t *testing.T) {
		in, out := flowtest.NewInput("a1", "a2").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
		res := flowtest.Run(t, deduped(in, state.NewMemory(), out), flowtest.Delay("output", time.Minute).Times(1), flowtest.Fail("output", errTest).Times(1))
		require.NoError(t, res.Err)
		require.Equal(t, []string{"a2"}, out.Values())
		second := in.Outcomes()[1].Deliveries
		require.Equal(t, flowtest.HandedBack, second[0].State, "it is not to blame")
		in.RequireAcked(t)
	})
	t.Run("with a batch that is emitted when the input ends", func(t *testing.T) {
		in, out := flowtest.NewInput("a1", "a2", "b1"), flowtest.NewOutput[[]string]()
		p := flow.From(in).Dedupe(first, state.NewMemory(), "seen", 0).Batch(10, time.Hour).To(out)
		res := flowtest.Run(t, p)
		require.NoError(t, res.Err)
		require.Equal(t, [][]string{{"a1", "b1"}}, out.Values())
		require.Zero(t, res.Took)
		in.RequireAcked(t)
	})
}

func TestDedupe_LeavesFailuresOfTheStoreToThePolicy(t *testing.T) {
	again := flow.Retry(3, func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) })
	for _, row := range []struct {
		name        string
		policy      flow.Policy
		gets, marks int // failures
		written     []string
		deliveries  int
	}{
		{"to look up, tried again", again, 2, 0, []string{"a1"}, 1},
		{"to look up, handed back", flow.Nack(), 2, 0, []string{"a1"}, 3},
		{"to look up, skipped", flow.Skip(), 1, 0, nil, 1},
		{"to mark, tried again", again, 0, 2, []string{"a1"}, 1},
		{"to mark, handed back", flow.Nack(), 0, 2, []string{"a1"}, 3},
		{"to mark, skipped", flow.Skip(), 0, 1, []string{"a1"}, 1},
		{"both", again.Then(flow.Nack()), 5, 6, []string{"a1"}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			store, gets, marks := spied(), failures(row.gets, errTest), failures(row.marks, errTest)
			store.onGet = func(context.Context) error { return gets() }
			store.onCommit = func(context.Context, *state.Changes) error { return marks() }
			in, out := flowtest.NewInput("a1").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
			p := flow.From(in).Dedupe(first, store, "seen", 0).OnError(row.policy).To(out)
			require.NoError(t, flowtest.Run(t, p).Err)
			require.Equal(t, row.written, out.Values(), "once, whatever failed")
			require.Len(t, in.Outcomes()[0].Deliveries, row.deliveries)
			in.RequireAcked(t)
		})
	}
}

// Another process may mark an id between the look and the mark, and so may a commit whose answer was
// lost.
func TestDedupe_IsContentWithTheMarkOfAnother(t *testing.T) {
	store := spied()
	answers := failures(1, errTest)
	store.onCommit = func(ctx context.Context, c *state.Changes) error {
		other := state.Changes{Writes: slices.Clone(c.Writes[:1])}
		if _, err := store.Store.Commit(ctx, &other); err != nil && !errors.Is(err, state.ErrConflict) {
			return err
		}
		return answers()
	}
	in, out := flowtest.NewInput("a1", "b1", "c1").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
	require.NoError(t, flowtest.Run(t, flow.From(in).Dedupe(first, store, "seen", 0).To(out)).Err)
	require.ElementsMatch(t, []string{"a1", "b1", "c1"}, out.Values())
	in.RequireAcked(t)
	seen, err := state.Marks{Table: "seen"}.Seen(t.Context(), store.Store, "a", "b", "c")
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, true}, seen)
}

func TestDedupe_AsksForManyAndMarksManyAtATime(t *testing.T) {
	store := spied()
	var gets, commits int
	store.onGet = func(context.Context) error { gets++; time.Sleep(time.Second); return nil }
	store.onCommit = func(context.Context, *state.Changes) error { commits++; time.Sleep(time.Second); return nil }
	in, out := flowtest.NewInput[string](), flowtest.NewOutput[string]()
	for r := 'A'; r < 'A'+1000; r++ {
		in.Give(string(r) + "-")
	}
	p := flow.From(in).Dedupe(func(v string) string { return v }, store, "seen", 0).To(out)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Len(t, out.Values(), 1000)
	require.Less(t, gets+commits, 20)
	in.RequireAcked(t)
}

func TestDedupe_KeepsTheOrderOfKeysWhileRecordsFail(t *testing.T) {
	in, out := flowtest.NewInput("a1", "a2", "b1", "a3", "b2").Keyed(first), flowtest.NewOutput[string]()
	store, marks := spied(), failures(1, errTest)
	store.onCommit = func(context.Context, *state.Changes) error { return marks() }
	p := flow.From(in).Dedupe(func(v string) string { return v }, store, "seen", 0).To(out)
	res := flowtest.Run(t, p, flowtest.Fail("output", errTest).On("a2").Times(2), flowtest.Fail("dedupe", errTest).On("b1").Times(1))
	require.NoError(t, res.Err)
	var a, b []string
	for _, v := range out.Values() {
		if first(v) == "a" {
			a = append(a, v)
		} else {
			b = append(b, v)
		}
	}
	require.Equal(t, []string{"a1", "a2", "a3"}, a)
	require.Equal(t, []string{"b1", "b2"}, b)
	in.RequireAcked(t)
}

// Rule 7, and no goroutine is left, whatever the store is doing.
func TestDedupe_HandsBackWhatTheDeadlineCutsOff(t *testing.T) {
	untilEnd := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, looking := range []bool{true, false} {
		store := spied()
		if looking {
			store.onGet = untilEnd
		} else {
			store.onCommit = func(ctx context.Context, _ *state.Changes) error { return untilEnd(ctx) }
		}
		in, out := flowtest.NewInput("a1", "a2", "b1").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
		res := flowtest.Run(t, deduped(in, store, out), flowtest.StopAfter(time.Second), flowtest.With(flow.WithDrainTimeout(time.Second)))
		var cut *flow.DrainError
		require.ErrorAs(t, res.Err, &cut)
		require.Equal(t, 3, cut.HandedBack)
		require.Equal(t, []flowtest.State{flowtest.HandedBack, flowtest.HandedBack, flowtest.HandedBack}, in.States())
	}
}

func TestDedupe_RefusesAnEmptyID(t *testing.T) {
	in, out := flowtest.NewInput("", "a1", ""), flowtest.NewOutput[string]()
	p := flow.From(in).Dedupe(first, state.NewMemory(), "seen", 0).OnError(flow.Skip()).To(out)
	require.NoError(t, flowtest.Run(t, p).Err)
	require.Equal(t, []string{"a1"}, out.Values())
	require.ErrorContains(t, deduped(flowtest.NewInput(""), state.NewMemory(), out).Run(t.Context()), "the id is empty")
}

func TestDedupe_DoesNotBuildWithoutWhatItNeeds(t *testing.T) {
	store := state.NewMemory()
	for _, problem := range []error{
		operators.Dedupe[string](nil, store, "seen", 0).Describe().Problem,
		operators.Dedupe(first, nil, "seen", 0).Describe().Problem,
		operators.Dedupe(first, store, "", 0).Describe().Problem,
		operators.Dedupe(first, store, "seen", -1).Describe().Problem,
	} {
		require.ErrorContains(t, problem, "operators: dedupe: ")
	}
}

// However sink and store fail, each id is written once and each record acknowledged: what is written
// before a crash may be written again, and here nothing crashes.
func TestDedupe_WritesEachIDOnce(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var mu sync.Mutex
		unlucky := func(n int) error {
			mu.Lock()
			fails, takes := r.IntN(n) == 0, time.Duration(r.IntN(3000))*time.Millisecond
			mu.Unlock()
			time.Sleep(takes)
			if fails {
				return fmt.Errorf("seed %d: %w", seed, errTest)
			}
			return nil
		}
		store := spied()
		store.onGet = func(context.Context) error { return unlucky(4) }
		store.onCommit = func(context.Context, *state.Changes) error { return unlucky(3) }
		in, out := flowtest.NewInput[string]().Redeliver(flowtest.Redelivery{MaxAttempts: -1}), flowtest.NewOutput[string]()
		for i := range 40 {
			in.Give(fmt.Sprintf("%c%d", 'a'+rune(r.IntN(20)), i))
			if r.IntN(4) == 0 {
				in.Pause(time.Duration(r.IntN(5000)) * time.Millisecond)
			}
		}
		write := func(_ context.Context, v string) (string, error) { return v, unlucky(3) }
		p := flow.From(in).Dedupe(first, store, "seen", 0).ParMapUnordered(3, write).To(out)
		require.NoError(t, flowtest.Run(t, p).Err, "seed %d", seed)
		ids := out.Values()
		slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(first(a), first(b)) })
		require.Len(t, slices.CompactFunc(ids, func(a, b string) bool { return first(a) == first(b) }), len(out.Values()), "seed %d: %v", seed, out.Values())
		in.RequireAcked(t)
	}
}

// A source that does not give records again has them dropped all the same.
func TestDedupe_NeedsNoRedelivery(t *testing.T) {
	out := flowtest.NewOutput[string]()
	p := flow.From(sources.Values("a1", "a2", "b1", "a3")).Dedupe(first, state.NewMemory(), "seen", 0).To(out)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"a1", "b1"}, out.Values())
}
