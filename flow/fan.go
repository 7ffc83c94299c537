package flow

import (
	"fmt"

	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// Broadcast gives n streams, each of which has every value. A record is settled when each of
// them has settled it; a failure in one wins and the record is handed back (rule 4), whereupon
// the others see it again. Each stream must end in a sink; [Join] makes one pipeline of them.
func (s Stream[T]) Broadcast(n int) []Stream[T] {
	fan := newNode(kindBroadcast, fmt.Sprintf("broadcast to %d", n), s.n)
	if n < 1 {
		fan.problem = fmt.Errorf("flow: broadcast to %d streams: at least 1 is needed", n)
	}
	fan.branches = n
	branches := make([]Stream[T], max(n, 1))
	for i := range branches {
		branch := newNode(kindBranch, fmt.Sprintf("branch %d", i+1), fan)
		branch.made = fan.made
		branches[i] = Stream[T]{branch, func(c *compiler, _ *node, out engine.Outlet[T]) {
			if fan.problem != nil {
				c.check(fan)
				return
			}
			outs := append(outlets[T](c, fan), out)
			c.fans[fan] = outs
			if len(outs) == n {
				follow(c, fan, s, engine.AddBroadcast(outs))
			}
		}}
	}
	return branches
}

// outlets gives the branches of a broadcast that are known so far.
func outlets[T any](c *compiler, fan *node) []engine.Outlet[T] {
	outs, _ := c.fans[fan].([]engine.Outlet[T])
	return outs
}

// Merge makes one stream of several. Values of one of them keep their order; between them there
// is none. Without streams the pipeline does not validate.
func Merge[T any](streams ...Stream[T]) Stream[T] {
	ups := make([]*node, len(streams))
	for i, s := range streams {
		ups[i] = s.n
	}
	n := newNode(kindMerge, fmt.Sprintf("merge of %d", len(streams)), ups...)
	if len(streams) == 0 {
		n.problem = fmt.Errorf("flow: merge of no streams: give it at least one")
	}
	return Stream[T]{n, func(c *compiler, n *node, out engine.Outlet[T]) {
		for _, s := range streams {
			follow(c, n, s, engine.AddInput(c.plan, out))
		}
	}}
}
