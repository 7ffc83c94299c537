package sources

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
)

type messages = flow.Stream[*client.Message]

// retried gives what a pipeline reads of a topic and its retry topic, and the policy that sends there.
func retried(again string) (messages, flow.Policy) {
	in := flow.Merge(flow.From(RocketMQ(nil, "in", "G")), flow.From(RetryTopic(nil, again, "R")))
	return in, flow.DeadLetter(sinks.RetryTopic(nil, "later", sinks.Discard[flow.Failure](), time.Minute))
}

func load(_ context.Context, m *client.Message) (*client.Message, error) { return m, nil }

func end(s messages) *flow.Pipeline { return s.To(sinks.Discard[*client.Message]()) }

func messageID(m *client.Message) string { return m.ID }

// What a stage beside hands back, having ended the run, and another puts off, would come again both ways.
func TestRetryTopic_IsRefusedBesideATakeInAnotherBranch(t *testing.T) {
	take := func(s messages) messages { return s.Take(3).Named("few") }
	takeWhile := func(s messages) messages {
		return s.TakeWhile(func(*client.Message) bool { return true }).Named("few")
	}
	none := func(s messages) messages { return s }
	for _, row := range []struct {
		name        string
		from        string // the retry topic that is read
		above, with func(messages) messages
		optional    bool
		refused     bool
	}{
		{name: "Take", from: "later", above: none, with: take, refused: true},
		{name: "TakeWhile", from: "later", above: none, with: takeWhile, refused: true},
		{name: "above the branches", from: "later", above: take, with: none},
		{name: "another topic is read", from: "other", above: none, with: take},
		{name: "in an optional branch", from: "later", above: none, with: take, optional: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, retry := retried(row.from)
			branches := row.above(in).Broadcast(2)
			few := branches[0]
			if row.optional {
				few = few.Optional(100)
			}
			p := flow.Join(end(row.with(few).OnError(flow.Nack())), end(branches[1].TryMap(load).Named("load").OnError(retry)))
			err := p.Validate()
			if !row.refused {
				require.NoError(t, err)
				return
			}
			var conflict *flow.RetryConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, []string{"later", "load", "few"}, []string{conflict.Topic, conflict.Stage, conflict.By})
			require.ErrorContains(t, err, `put "few" above the branches`)
		})
	}
	in, retry := retried("later")
	require.NoError(t, end(in.TryMap(load).OnError(retry).Take(3)).Validate(), "a record is in one of the two")
}

// What an optional branch puts off would come back as a duplicate of what is done.
func TestRetryTopic_IsRefusedInAnOptionalBranchBelowADedupe(t *testing.T) {
	dedupe := func(s messages) messages { return s.Dedupe(messageID, state.NewMemory(), "seen", 0).Named("once") }
	none := func(s messages) messages { return s }
	for _, row := range []struct {
		name          string
		from          string
		above, within func(messages) messages
		own           bool // the branch has a policy of its own
		refused       bool
	}{
		{name: "above", from: "later", above: dedupe, within: none, refused: true},
		{name: "in the branch", from: "later", above: none, within: dedupe},
		{name: "none", from: "later", above: none, within: none},
		{name: "another topic is read", from: "other", above: dedupe, within: none},
		{name: "with a policy of its own", from: "later", above: dedupe, within: none, own: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, retry := retried(row.from)
			branches := row.above(in).OnError(retry).Broadcast(2)
			aside := row.within(branches[1].Optional(100)).TryMap(load).Named("load")
			if row.own {
				aside = aside.OnError(flow.Skip())
			}
			err := flow.Join(end(branches[0]), end(aside)).Validate()
			if !row.refused {
				require.NoError(t, err)
				return
			}
			var conflict *flow.RetryConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, []string{"later", "once"}, []string{conflict.Topic, conflict.By})
			require.ErrorContains(t, err, `stage "load" sends what fails to the retry topic "later"`)
			require.ErrorContains(t, err, "OnError(flow.Skip())")
		})
	}
}
