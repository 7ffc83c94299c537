package flow

import (
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// Optional declares a branch of a [Stream.Broadcast] not required: a record is settled without it (rule
// 4). It is called on the branch itself:
//
//	branches := flights.Broadcast(2)
//	p := flow.Join(
//		branches[0].To(warehouse),
//		branches[1].Optional(10_000).Map(flightMetric).To(metrics),
//	)
//
//	in         --a---b---c---d--|    the branch takes long for a, and 1 is the most
//	required   --a---b---c---d--|
//	optional   --a-----------d--|    b and c passed by
//
// The branch runs on a goroutine of its own and never holds up the others: at most so many records are
// in it at once, waiting for retries or held among them, and the others pass it by while there are. None
// of that is silent. The stage "optional" counts in Snapshot the records that passed_by, that failed for
// good in the branch, that were handed_back unfinished, and that an operator dropped against its
// contract.
//
// What it promises:
//   - Emits: each value, unless the branch is full.
//   - Order: kept. Keys of the source order nothing behind it: a record that waits for a retry is overtaken.
//   - Holds: nothing, as far as the source is told; so the leases of the source say nothing of what the
//     branch may hold, and an operator that holds may follow a source that orders by key.
//   - Settles: the branch's part of the record done, at once. A failure of the branch goes by the policies
//     of its own stages, retries and dead letters included; where they hand the record back it is counted.
//     A policy of Stop ends the run here as well. What sinks.RetryTopic brings back comes through the whole
//     pipeline, where a Dedupe above would drop it, since its record was done: see [RetryConflictError].
//   - Drain: the branch is drained as others are, within the same deadline. What the deadline meets there
//     is counted as handed_back, and will not come again.
//   - Fails: to build, if most < 1; on anything but a branch of a Broadcast; if no branch is left that is
//     required; and if stages of the branch may hold more than most, since they would wait for ever.
func (s Stream[T]) Optional(most int) Stream[T] {
	n := newNode(kindOptional, "optional", s.n)
	n.most = most
	switch {
	case most < 1:
		n.problem = fmt.Errorf("at most %d records in the branch: at least 1 is needed", most)
	case s.n == nil || s.n.kind != kindBranch || s.n.ups[0].kind != kindBroadcast:
		n.problem = errors.New("only a branch of a Broadcast can be optional: call it right on one")
	}
	return Stream[T]{n, func(c *compiler, n *node, out engine.Outlet[T]) {
		follow(c, n, s, engine.AddOptional(c.plan, c.spec(n), n.most, out))
	}}
}
