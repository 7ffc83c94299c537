package stagetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder takes a rule's verdict in place of the test.
type recorder struct {
	testing.TB
	failed   bool
	skipped  bool
	cleanups []func()
}

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Skip(...any)           { r.skipped = true; panic(verdict{}) }
func (r *recorder) FailNow()              { r.failed = true; panic(verdict{}) }

// verdict ends a rule as FailNow and Skip do.
type verdict struct{}

// judge runs f and, as a test would, its cleanups.
func judge(t *testing.T, f func(t testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	attempt := func(f func()) {
		defer func() {
			if p := recover(); p != nil {
				require.IsType(t, verdict{}, p, "%v", p)
			}
		}()
		f()
	}
	attempt(func() { f(r) })
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		attempt(r.cleanups[i])
	}
	return r
}

var fakeValues = []string{"a1", "a2", "a3", "b1", "b2"}

// verdicts gives the names of the rules that the flaw breaks.
func sourceVerdicts(t *testing.T, flaw string) (broken []string) {
	t.Helper()
	cfg := newConfig(nil)
	for _, rule := range sourceRules[string](&cfg) {
		r := judge(t, func(tb testing.TB) {
			tb.Helper()
			s := SourceSetup[string]{Source: newFakeSource(flaw, fakeValues...), Values: fakeValues}
			rule.check(tb, newSourceCheck(tb, &cfg, s))
		})
		require.False(t, r.skipped, rule.name)
		if r.failed {
			broken = append(broken, rule.name)
		}
	}
	return broken
}

func TestSource_FindsTheFlaw(t *testing.T) {
	for flaw, rule := range map[string]string{
		"drops":            "ends a read with its context and loses nothing",
		"heedless":         "ends a read with its context and loses nothing",
		"repeats":          "gives each value once, and then the end",
		"empty":            "gives each value once, and then the end",
		"unstable":         "knows the same of a record whenever asked",
		"one id":           "knows the same of a record whenever asked",
		"in order only":    "takes outcomes in any order",
		"forgets failures": "delivers again what failed",
		"reorders":         "keeps the order of a key behind a failure",
		"led astray":       "gives no success to an outcome given twice",
		"fails to close":   "can be opened and closed without being read",
	} {
		t.Run(flaw, func(t *testing.T) { require.Contains(t, sourceVerdicts(t, flaw), rule) })
	}
	for _, manner := range []string{"none", "gives with the end", "gives with the error"} {
		require.Empty(t, sourceVerdicts(t, manner), manner)
	}
}

func sinkVerdicts(t *testing.T, flaw string) (broken []string) {
	t.Helper()
	cfg := newConfig(nil)
	for _, rule := range sinkRules[string]() {
		r := judge(t, func(tb testing.TB) {
			tb.Helper()
			s := &fakeSink{flaw: flaw}
			rule.check(tb, newSinkCheck(tb, &cfg, SinkSetup[string]{
				Sink: s, Values: fakeValues, Written: s.all, Poison: func() string { return poison },
			}))
		})
		if r.failed {
			broken = append(broken, rule.name)
		}
	}
	return broken
}

func TestSink_FindsTheFlaw(t *testing.T) {
	for flaw, rule := range map[string]string{
		"reverses":      "writes every value in order",
		"keeps":         "keeps nothing of a batch",
		"lies":          "tells the truth about a write whose context is over",
		"names another": "names the value that cannot be written",
		"swallows":      "names the value that cannot be written",
		"goes on":       "stops a key at its first failure",
		"begins anew":   "can be opened again",
	} {
		t.Run(flaw, func(t *testing.T) { require.Contains(t, sinkVerdicts(t, flaw), rule) })
	}
	require.Empty(t, sinkVerdicts(t, "none"))
}

func TestSource_RunsItsRulesAsSubtests(t *testing.T) {
	Source(t, func(*testing.T) SourceSetup[string] {
		return SourceSetup[string]{Source: newFakeSource("forgets failures", fakeValues...), Values: fakeValues}
	}, InBubble(),
		Without("delivers again what failed", "this fake forgets"),
		Without("delivers again what was handed back", "this fake forgets"),
		Without("keeps the order of a key behind a failure", "this fake forgets"),
		Without("gives in a later run what was not done", "this fake forgets"))
}

func TestSink_RunsItsRulesAsSubtests(t *testing.T) {
	Sink(t, func(*testing.T) SinkSetup[string] {
		s := &fakeSink{}
		return SinkSetup[string]{Sink: s, Values: fakeValues, Written: s.all}
	})
}

func ExampleWithout() {
	opts := []Option{
		Endless(),
		Unordered(),
		Without("delivers again what failed", "the server redelivers after an hour at the least"),
	}
	fmt.Println(len(opts))
	// Output: 3
}
