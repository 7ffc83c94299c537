package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// What fails in the windows themselves and is tried again, and what stands behind it, is not late by that:
// the watermark waits for it as for what waits above.
func TestWindow_WaitsForWhatIsTriedAgainThere(t *testing.T) {
	for name, c := range map[string]struct{ keyed, kept bool }{
		"held":                        {},
		"in a store":                  {kept: true},
		"in a store, in order by key": {keyed: true, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := make(chan reading)
				src := sources.Channel(in)
				if c.keyed {
					src = src.Keyed(keyOfReading)
				}
				s := flow.From(src).OnError(flow.Retry(3, func() backoff.BackOff { return backoff.NewConstantBackOff(10 * time.Second) }))
				w := hours(s)
				if c.kept {
					w = w.KeptIn(state.NewMemory(), "w")
				}
				failed := false
				out := &collector[flow.Window[string, int]]{}
				p := w.Agg(zero, func(n int, r reading) int {
					if r.v == 1 && !failed {
						failed = true
						panic("once")
					}
					return n + r.v
				}).To(out)
				ended := make(chan error)
				go func() { ended <- p.Run(context.Background()) }()
				give(in, reading{"a", 5, 1}, reading{"a", 6, 2})
				give(in, reading{"b", 300, 4})
				require.Empty(t, short(out.values()), "the window waits for what waits")
				time.Sleep(time.Minute)
				require.Equal(t, []sum{{"a", 0, 60, 3, 0, false, false}}, short(out.values()))
				close(in)
				require.NoError(t, <-ended)
				require.Len(t, out.values(), 2)
			})
		})
	}
}
