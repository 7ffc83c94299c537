package flow

import (
	"fmt"
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// RetryConflictError tells that a pipeline does not validate since what a stage sends to a retry topic, which
// the pipeline reads, would not come back as it should, because of another stage.
type RetryConflictError struct {
	// Topic is the retry topic, and Stage the stage whose policy sends failures there.
	Topic, Stage string
	// By is the stage that is in the way.
	By string

	why string
}

// Error names the stages and says what to change.
func (e *RetryConflictError) Error() string {
	return fmt.Sprintf("flow: stage %q sends what fails to the retry topic %q, but %s", e.Stage, e.Topic, e.why)
}

// governed is a stage with the policy that it has.
type governed struct {
	n      *node
	policy *Policy
}

// retryTopic gives the retry topic that the policy sends failures to; "" if there is none, or the sink does
// not tell.
func (g governed) retryTopic() string {
	fails := g.n.kind == kindOperator || g.n.kind == kindSplit || g.n.kind == kindSink
	if !fails || g.policy == nil || g.policy.p.DeadLetter == nil {
		return ""
	}
	if r, ok := g.policy.p.DeadLetter.Sink.(stage.RetryNamer); ok {
		return r.RetryTopic()
	}
	return ""
}

// conflicts finds policies that send failures to a retry topic from which they do not come back as they should:
// for each stage that is in the way, the first that has such a policy.
func (c *compiler) conflicts() (problems []error) {
	known := make(map[obstacle]bool)
	for _, g := range slices.Backward(c.stages) { // upstream first
		topic := g.retryTopic()
		if topic == "" {
			continue
		}
		add := func(by *node, why string) {
			if by == nil || known[obstacle{by, topic}] {
				return
			}
			known[obstacle{by, topic}] = true
			problems = append(problems, &RetryConflictError{Topic: topic, Stage: c.nameOf(g.n), By: c.nameOf(by), why: fmt.Sprintf(why, c.nameOf(by))})
		}
		add(droppedBy(g.n, topic, nil, nil),
			"its branch is optional, so records are done when they enter it, and stage %[1]q above drops what comes back as done: give the branch a policy of its own, such as OnError(flow.Skip()), or move %[1]q into the branches that are required")
		add(c.multipliedBy(g.n, topic),
			"stage %[1]q, in another branch of the same Broadcast, hands back what comes after it has ended the run: a record of which both is true comes again both ways, each time as one message more: put %[1]q above the branches, or give this one a policy that hands back, such as flow.Nack()")
	}
	return problems
}

// obstacle is a stage that is in the way of what a retry topic brings.
type obstacle struct {
	by    *node
	topic string
}

// droppedBy gives a stage above an optional branch in which n stands that drops what is done, on a way that
// records of a retry topic come; nil if there is none.
func droppedBy(n *node, topic string, optional, drops *node) *node {
	switch {
	case n.kind == kindOptional:
		optional = n
	case optional != nil && n.kind == kindOperator && n.desc.DropsDone:
		drops = n
	case n.kind == kindSource && drops != nil && n.source.RetryTopic == topic:
		return drops
	}
	for _, up := range n.ups {
		if by := droppedBy(up, topic, optional, drops); by != nil {
			return by
		}
	}
	return nil
}

// multipliedBy gives a stage that ends the run by itself in another branch of a Broadcast that has the retry
// topic above it; nil if there is none.
func (c *compiler) multipliedBy(n *node, topic string) *node {
	ways := branchesAbove(n)
	for _, g := range c.stages {
		if g.n.kind != kindOperator || !g.n.desc.Ends {
			continue
		}
		for _, other := range branchesAbove(g.n) {
			beside := func(way *node) bool { return way != other && way.ups[0] == other.ups[0] }
			if slices.ContainsFunc(ways, beside) && slices.ContainsFunc(sourcesAbove(other), func(src *node) bool { return src.source.RetryTopic == topic }) {
				return g.n
			}
		}
	}
	return nil
}

// branchesAbove gives the branches of each Broadcast by which a failure of the stage goes up to a source. It
// goes no further than to where records are done for their source.
func branchesAbove(n *node) (branches []*node) {
	for _, up := range n.ups {
		switch {
		case up.kind == kindOptional || up.kind == kindOperator && up.desc.Answers:
			continue
		case up.kind == kindBranch && up.ups[0].kind == kindBroadcast:
			branches = append(branches, up.identity())
		}
		branches = append(branches, branchesAbove(up)...)
	}
	return branches
}
