package stagetest

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Option says what a source or a sink cannot do, or how it is to be run.
type Option func(*config)

type config struct {
	bubble    bool
	endless   bool
	unordered bool
	goesOn    bool
	without   map[string]string
}

// InBubble runs each rule in a bubble of testing/synctest, with virtual time. The setup is made
// within it.
func InBubble() Option { return func(c *config) { c.bubble = true } }

// Endless says that a source never ends by itself, as a queue on a server does not.
func Endless() Option { return func(c *config) { c.endless = true } }

// Unordered says that a source gives its values in no certain order.
func Unordered() Option { return func(c *config) { c.unordered = true } }

// GoesOn says that a source which does not redeliver gives in a later run what earlier runs have not
// read, as a channel does. Without it each run begins anew.
func GoesOn() Option { return func(c *config) { c.goesOn = true } }

// Without leaves out the rule of that name, and says so in the output with the reason.
func Without(rule, reason string) Option {
	return func(c *config) { c.without[rule] = reason }
}

// rule is one promise of the contract, with a check of it.
type rule[S any] struct {
	name  string
	check func(tb testing.TB, s S)
}

func newConfig(opts []Option) config {
	c := config{without: make(map[string]string)}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// run checks each rule on a setup of its own.
func run[S any](t *testing.T, cfg config, rules []rule[S], setup func(t *testing.T) S) {
	t.Helper()
	known := make(map[string]bool)
	for _, r := range rules {
		known[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			if reason, ok := cfg.without[r.name]; ok {
				t.Skipf("left out: %s", reason)
			}
			body := func(t *testing.T) {
				t.Helper()
				r.check(t, setup(t))
			}
			if cfg.bubble {
				synctest.Test(t, body) // which notices goroutines that are left
				return
			}
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) })
			body(t)
		})
	}
	for name := range cfg.without {
		require.True(t, known[name], "stagetest: Without(%q): there is no such rule", name)
	}
}

// patience is how long one call may take. In a bubble that is virtual time, long enough for leases.
func (c *config) patience() time.Duration {
	if c.bubble {
		return 24 * time.Hour
	}
	return 30 * time.Second
}

func (c *config) context(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), c.patience())
	tb.Cleanup(cancel)
	return ctx
}

// same compares values by the setup's function, or else by reflect.DeepEqual.
func same[T any](equal func(a, b T) bool) func(a, b T) bool {
	if equal != nil {
		return equal
	}
	return func(a, b T) bool { return reflect.DeepEqual(a, b) }
}

// missing gives the values of want that are not in got, each as often as it is missing.
func missing[T any](want, got []T, equal func(a, b T) bool) []T {
	taken := make([]bool, len(got))
	var left []T
next:
	for _, w := range want {
		for i, g := range got {
			if !taken[i] && equal(w, g) {
				taken[i] = true
				continue next
			}
		}
		left = append(left, w)
	}
	return left
}

// requireValues fails unless got is want, in order or in any.
func requireValues[T any](tb testing.TB, want, got []T, equal func(a, b T) bool, ordered bool, why string) {
	tb.Helper()
	require.Empty(tb, missing(want, got, equal), "%s: values are missing", why)
	require.Empty(tb, missing(got, want, equal), "%s: values came that should not", why)
	if !ordered {
		return
	}
	for i := range want {
		require.True(tb, equal(want[i], got[i]), "%s: at %d stands %v where the order asks for %v", why, i, got[i], want[i])
	}
}
