package sources

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
)

// A pair of a join that was put off is given again when its values come again, once, and so is what has found
// no partner.
func TestRetryTopic_BringsBackWhatWasJoined(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newDedupeRetried(r, map[string]int{"l1+r1": 2, "l2+-": 2})
		body := func(v string) string { return v[1:] }
		left, right := p.streamBy(func(body string) string { return body }).Partition(func(v string) bool { return v[0] == 'l' })
		joined := left.KeyBy(body).Join(right.KeyBy(body), flow.Within(time.Minute, time.Minute),
			flow.ProcessingTime[string](), flow.ProcessingTime[string]()).Left(func(l string, r *string) string {
			if r == nil {
				return l + "+-"
			}
			return l + "+" + *r
		})
		p.run(joined.TryMap(p.work).OnError(p.retry).To(p.out), 10*time.Minute, "l1", "r1", "l2")
		require.ElementsMatch(r, []string{"l1+r1", "l2+-"}, p.out.Values())
		require.Len(r, r.broker.Messages("later"), 3)
	})
}
