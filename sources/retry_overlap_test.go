package sources

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
)

// What one branch put off comes back while another still has it in work. Whoever knows it from before, and has
// it in flight, does not settle it with that: the first is put off, and what came back is all there is.
func TestRetryTopic_LosesNothingThatComesBackWhileItIsInWork(t *testing.T) {
	itself := func(v string) string { return v }
	work := func(_ context.Context, v string) (string, error) { return v, nil }
	same := func(string) string { return "" }
	clock := flow.ProcessingTime[string]()
	for name, remembers := range map[string]func(flow.Stream[string]) flow.Stream[string]{
		"Dedupe": func(s flow.Stream[string]) flow.Stream[string] {
			return s.Dedupe(itself, state.NewMemory(), "seen", 0)
		},
		"windows": func(s flow.Stream[string]) flow.Stream[string] {
			return s.KeyBy(same).Window(flow.Tumbling(5*time.Second), clock).Collect().
				Map(func(w flow.Window[string, []string]) string { return strings.Join(w.Value, "") })
		},
		"windows that it is in several of": func(s flow.Stream[string]) flow.Stream[string] {
			return s.KeyBy(same).Window(flow.Sliding(30*time.Second, 15*time.Second), clock).Collect().
				Map(func(w flow.Window[string, []string]) string { return strings.Join(w.Value, "") })
		},
		"join": func(s flow.Stream[string]) flow.Stream[string] {
			left, right := s.Partition(func(v string) bool { return v == "a" })
			return left.KeyBy(same).Join(right.KeyBy(same), flow.Within(time.Minute, time.Minute), clock, clock).
				Inner(func(l, r string) string { return l + r })
		},
		"join that gives what has no partner": func(s flow.Stream[string]) flow.Stream[string] {
			left, right := s.Partition(func(string) bool { return true })
			return left.KeyBy(itself).Join(right.KeyBy(itself), flow.Within(time.Second, time.Second), clock, clock).
				Left(func(l string, _ *string) string { return l })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "later", Queues: 2, Type: broker.Delay}))
				require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "dead", Queues: 1}))
				require.NoError(r, r.broker.CreateGroup(broker.Group{Name: "R"}))
				retry := flow.DeadLetter(sinks.RetryTopic(r.client, "later", sinks.DeadLetterTopic(r.client, "dead"), 10*time.Second, 10*time.Second))
				out := flowtest.NewOutput[string]()
				branches := remembers(flow.Merge(
					flow.From(RocketMQ(r.client, "in", "G")), flow.From(RetryTopic(r.client, "later", "R")),
				).Map(func(m *client.Message) string { return string(m.Body) })).Broadcast(2)
				quick := branches[0].TryMap(work).Named("quick").OnError(retry).To(out)
				slow := branches[1].ParMap(8, work).Named("slow").To(flowtest.NewOutput[string]().Named("other"))
				r.send("in", "", "a", "b")
				res := flowtest.Run(r.T, flow.Join(quick, slow), flowtest.StopAfter(10*time.Minute),
					flowtest.Delay("slow", time.Minute), flowtest.Fail("quick", errors.New("broken")).Times(2))
				require.NoError(r, res.Err)
				got := strings.Join(out.Values(), "")
				for _, v := range []string{"a", "b"} {
					require.Contains(r, got, v)
				}
				require.NotEmpty(r, r.broker.Messages("later"))
				require.Empty(r, r.broker.Messages("dead"))
				for _, group := range []string{"G", "R"} {
					require.Zero(r, r.stats(group).Backlog, "%s: all is acknowledged", group)
				}
			})
		})
	}
}
