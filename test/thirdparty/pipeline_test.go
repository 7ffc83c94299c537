package thirdparty_test

import (
	"context"
	"errors"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/test/thirdparty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBad = errors.New("bad")

// refusing refuses a value the first n times.
func refusing(value string, n int) func(string) error {
	return func(v string) error {
		if v == value && n != 0 {
			n--
			return errBad
		}
		return nil
	}
}

func letters(values ...string) *thirdparty.Mailbox[string] {
	box := thirdparty.NewMailbox[string](time.Minute)
	box.Put(values...)
	return box
}

// What anyone outside can use: the contract and the standard library.
func TestThirdparty_ImportsTheContractAlone(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			if strings.Contains(path, ".") {
				require.Equal(t, "github.com/rocketflow-io/rocketflow/flow/stage", path, e.Name())
			}
		}
	}
}

// The test kit knows nothing of these stages, and lets them fail all the same.
func TestPipeline_CanBeTestedByTheKit(t *testing.T) {
	in, out := flowtest.NewInput("a", "b", "c").Redeliver(flowtest.Redelivery{}), flowtest.NewOutput[string]()
	upper := func(_ context.Context, v string) (string, error) { return strings.ToUpper(v), nil }
	p := flow.From(in).
		Via(thirdparty.Check(refusing("b", 1))).Named("check").
		Via(thirdparty.Hedge(2, time.Second, upper)).Named("hedge").To(out)
	res := flowtest.Run(t, p, flowtest.Fail("hedge", errBad).On("c").Times(2), flowtest.Panic("check", "boom").On("a").Times(1))
	require.NoError(t, res.Err)
	require.ElementsMatch(t, []string{"A", "B", "C"}, out.Values())
	for i, stage := range []string{"check", "check", "hedge"} {
		require.Equal(t, stage, in.Outcomes()[i].Deliveries[0].Stage, i)
	}
	in.RequireAcked(t)
}

// All five in one pipeline, with failures at each stage that can have one.
func TestPipeline_LosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("a", "b", "c", "d")
		box.Seal()
		ledger := thirdparty.NewLedger(refusing("D", 1))
		calls := refusing("b", 1)
		slow := func(ctx context.Context, v string) (string, error) {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return "", ctx.Err()
			}
			return strings.ToUpper(v), nil
		}
		p := flow.From(box).
			Via(thirdparty.Check(calls)).
			Via(thirdparty.Hedge(2, 5*time.Millisecond, slow)).
			Via(thirdparty.Debounce[string](time.Millisecond, time.Second)).
			To(ledger)
		require.NoError(t, p.Run(t.Context()))
		require.Empty(t, box.Left(), "each is done, by itself or with its burst")
		stats, _ := p.Snapshot().Stage("mailbox")
		require.Equal(t, 4, stats.Source.Done)
		require.GreaterOrEqual(t, stats.Source.Failed, 2, "b at the check, and D with its burst at the ledger")
	})
}

func TestCheck_FailsByThePolicy(t *testing.T) {
	tests := map[string]struct {
		policy flow.Policy
		want   []string
		takes  time.Duration
	}{
		"nack: it comes again":  {flow.Nack(), []string{"a", "c", "b"}, time.Minute},
		"retry: only it waits":  {flow.Retry(1, func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }), []string{"a", "c", "b"}, time.Second},
		"skip: it is done with": {flow.Skip(), []string{"a", "c"}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := letters("a", "b", "c")
				box.Seal()
				ledger := thirdparty.NewLedger[string](nil)
				begun := time.Now()
				p := flow.From(box).Via(thirdparty.Check(refusing("b", 1))).OnError(test.policy).To(ledger)
				require.NoError(t, p.Run(t.Context()))
				require.Equal(t, test.want, ledger.Entries())
				require.Equal(t, test.takes, time.Since(begun))
				require.Empty(t, box.Left())
			})
		})
	}
}

func TestDebounce_EmitsTheLastOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters()
		ledger := thirdparty.NewLedger[string](nil)
		p := flow.From(box).Via(thirdparty.Debounce[string](time.Second, 3*time.Second)).To(ledger)
		go func() {
			for _, v := range strings.Split("abcd", "") { // ends after 3 s, though it is never quiet
				box.Put(v)
				time.Sleep(900 * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			box.Put("e")
			box.Seal()
		}()
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []string{"d", "e"}, ledger.Entries())
		require.Empty(t, box.Left())
		stats, ok := p.Snapshot().Stage("debounce")
		require.True(t, ok)
		require.EqualValues(t, 3, stats.Counters["superseded"])
	})
}

// Rule 3: a burst fails as a whole, and comes again as a whole.
func TestDebounce_HoldsTheDutyOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("a", "b", "c")
		box.Seal()
		ledger := thirdparty.NewLedger(refusing("c", 1))
		p := flow.From(box).Via(thirdparty.Debounce[string](time.Second, time.Second)).To(ledger)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []string{"c"}, ledger.Entries())
		require.Empty(t, box.Left())
		stats, _ := p.Snapshot().Stage("mailbox")
		require.Equal(t, 3, stats.Source.Failed)
		require.Equal(t, 3, stats.Source.Done)
	})
}

func TestDebounce_EmitsWhatItHoldsInADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("a", "b")
		ledger := thirdparty.NewLedger[string](nil)
		p := flow.From(box).Via(thirdparty.Debounce[string](time.Hour, time.Hour)).To(ledger)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, p.Run(ctx))
		require.Equal(t, []string{"b"}, ledger.Entries())
		require.Empty(t, box.Left())
	})
}

func TestHedge_CallsAgainWhatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("a")
		box.Seal()
		calls := make(chan struct{}, 2)
		f := func(ctx context.Context, v string) (string, error) {
			calls <- struct{}{}
			if len(calls) == 1 {
				<-ctx.Done() // the first call hangs
				return "", ctx.Err()
			}
			return strings.ToUpper(v), nil
		}
		ledger := thirdparty.NewLedger[string](nil)
		p := flow.From(box).Via(thirdparty.Hedge(1, time.Second, f)).To(ledger)
		begun := time.Now()
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []string{"A"}, ledger.Entries())
		require.Equal(t, time.Second, time.Since(begun))
	})
}

func TestHedge_LetsOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("slow", "bad", "quick")
		box.Seal()
		bad := refusing("bad", 2)
		f := func(ctx context.Context, v string) (string, error) {
			if v == "slow" {
				time.Sleep(time.Second)
			}
			if v == "bad" {
				panic(bad(v))
			}
			return v, nil
		}
		ledger := thirdparty.NewLedger[string](nil)
		p := flow.From(box).Via(thirdparty.Hedge(3, time.Hour, f)).
			OnError(flow.Retry(1, nil).Then(flow.Skip())).To(ledger)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []string{"quick", "slow"}, ledger.Entries())
		stats, _ := p.Snapshot().Stage("hedge")
		require.EqualValues(t, 1, stats.Retries)
		require.EqualValues(t, 1, stats.Skipped)
	})
}

func TestPipeline_HandsBackWhatADrainCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := letters("quick", "slow")
		f := func(ctx context.Context, v string) (string, error) {
			if v == "slow" {
				<-ctx.Done() // not ended by the drain, but by its deadline
				return "", context.Cause(ctx)
			}
			return v, nil
		}
		ledger := thirdparty.NewLedger[string](nil)
		p := flow.From(box).Via(thirdparty.Hedge(2, time.Hour, f)).To(ledger)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		var cut *flow.DrainError
		require.ErrorAs(t, p.Run(ctx, flow.WithDrainTimeout(5*time.Second)), &cut)
		require.Equal(t, 1, cut.HandedBack)
		require.Equal(t, 65*time.Second, time.Since(begun))
		require.Equal(t, []string{"quick"}, ledger.Entries())
		require.Equal(t, []string{"slow"}, box.Left())
	})
}

func TestOperators_SayWhatCannotBe(t *testing.T) {
	p := flow.From(letters()).
		Via(thirdparty.Check[string](nil)).
		Via(thirdparty.Debounce[string](time.Second, time.Millisecond)).
		Via(thirdparty.Hedge[string, string](0, time.Second, nil)).
		To(thirdparty.NewLedger[string](nil))
	err := p.Validate()
	require.ErrorContains(t, err, "thirdparty: ")
}
