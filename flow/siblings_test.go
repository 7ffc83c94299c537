package flow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// Values that came of one record share its duty to settle, and nothing else: while one is tried
// again for long, another must not use up its tries, nor be given more of them.
func TestRetry_CountsTheTriesOfEachValueOfARecord(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			tries := map[int]int{}
			work := func(_ context.Context, v int) (int, error) {
				mu.Lock()
				tries[v]++
				n := tries[v]
				mu.Unlock()
				switch {
				case v == 10 && n > 1:
					time.Sleep(10 * time.Second)
				case v == 11 && n == 1:
					time.Sleep(500 * time.Millisecond)
				}
				if v == 12 || v == 10 && n == 3 {
					return v, nil
				}
				return 0, errTest
			}
			src := sources.Values(1).Recorded()
			if keyed {
				src = src.Keyed(func(int) string { return "key" })
			}
			out, graves := &collector[int]{}, &collector[flow.Failure]{}
			p := flow.From(src).
				FlatMap(func(v int) []int { return []int{10 * v, 10*v + 1, 10*v + 2} }).
				ParMapUnordered(3, work).ParMapUnordered(3, failing(is(-1))).
				OnError(flow.Retry(2, seconds(1)).Then(flow.DeadLetter(graves))).To(out)
			require.NoError(t, p.Run(t.Context()))
			require.Equal(t, map[int]int{10: 3, 11: 3, 12: 1}, tries)
			require.ElementsMatch(t, []int{10, 12}, out.values())
			require.Len(t, graves.values(), 1)
			f := graves.values()[0]
			require.Equal(t, []any{11, 3, 1, "1"}, []any{f.Value, f.Attempt, f.Source, f.Info.ID})
			n, open := done(src)
			require.Equal(t, []int{1, 0}, []int{n, open})
		})
	}
}
