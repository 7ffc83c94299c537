package flow

import (
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Broadcast gives n streams, each of which has every value.
//
//	in       --a---b---c--|
//	out[0]   --a---b---c--|
//	out[1]   --a---b---c--|
//
// What it promises:
//   - Emits: each value, in each of the streams.
//   - Order: kept in each stream. Between them there is none.
//   - Holds: nothing.
//   - Settles: a record when each of the streams has settled it; a failure in one wins and the record is
//     handed back, whereupon the others see it again (rule 4). [Stream.Optional] excuses one of them.
//   - Drain: has nothing to emit.
//   - Fails: to build, if n < 1.
//
// Each stream must end in a sink; [Join] makes one pipeline of them.
func (s Stream[T]) Broadcast(n int) []Stream[T] {
	fan := newNode(kindBroadcast, fmt.Sprintf("broadcast to %d", n), s.n)
	if n < 1 {
		fan.problem = fmt.Errorf("flow: broadcast to %d streams: at least 1 is needed", n)
	}
	return s.fanOut(fan, branchNames(n), func(_ *compiler, outs []engine.Outlet[T]) engine.Outlet[T] {
		return engine.AddBroadcast(outs)
	})
}

// Split gives n streams, and each value to the one whose index route gives.
//
//	in       --a---b---c---d--|
//	             route: a and d to 0, b and c to 1
//	out[0]   --a-----------d--|
//	out[1]   ------b---c------|
//
// What it promises:
//   - Emits: each value, in one of the streams.
//   - Order: kept in each stream. Between them there is none.
//   - Holds: nothing.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: a value for which route panics, or gives no index from 0 to n-1, by the policy of the
//     nearest OnError before; the latter with a [*RouteError], and without retries, which would change
//     nothing. Fails to build, if n < 1.
//
// Each stream must end in a sink; [Join] makes one pipeline of them.
func (s Stream[T]) Split(n int, route func(T) int) []Stream[T] {
	fan := newNode(kindSplit, "split", s.n)
	switch {
	case n < 1:
		fan.problem = fmt.Errorf("flow: split into %d streams: at least 1 is needed", n)
	case route == nil:
		fan.problem = errNilRoute
	}
	return s.split(fan, branchNames(n), route)
}

// Partition gives two streams: one of the values that is is true for, and one of the others.
//
//	in    --a---b---c--|
//	          is(b) is false
//	yes   --a-------c--|
//	no    ------b------|
//
// Its promises are those of [Stream.Split]; there is no index that could be wrong. Where the others are
// not wanted, Filter drops them.
func (s Stream[T]) Partition(is func(T) bool) (yes, no Stream[T]) {
	fan := newNode(kindSplit, "partition", s.n)
	if is == nil {
		fan.problem = errNilRoute
	}
	branches := s.split(fan, []string{"yes", "no"}, func(v T) int {
		if is(v) {
			return 0
		}
		return 1
	})
	return branches[0], branches[1]
}

func (s Stream[T]) split(fan *node, names []string, route func(T) int) []Stream[T] {
	return s.fanOut(fan, names, func(c *compiler, outs []engine.Outlet[T]) engine.Outlet[T] {
		return engine.AddSplit(c.plan, c.spec(fan), route, outs)
	})
}

var errNilRoute = errors.New("the function that says where values go is nil: give it one")

// branchNames gives a name for each of n branches; one, if n is none that a fan can have.
func branchNames(n int) []string {
	names := make([]string, max(n, 1))
	for i := range names {
		names[i] = fmt.Sprintf("branch %d", i+1)
	}
	return names
}

// branching is the branches of a fan, while a plan is being made.
type branching[T any] struct {
	outs  []engine.Outlet[T]
	known int
}

// fanOut gives the branches of a fan. What adds it to a plan is called when all branches are known.
func (s Stream[T]) fanOut(fan *node, names []string, add func(*compiler, []engine.Outlet[T]) engine.Outlet[T]) []Stream[T] {
	fan.branches = len(names)
	branches := make([]Stream[T], len(names))
	for i, name := range names {
		branch := newNode(kindBranch, name, fan)
		branch.made = fan.made
		branches[i] = Stream[T]{branch, func(c *compiler, _ *node, out engine.Outlet[T]) {
			if fan.problem != nil {
				c.check(fan)
				return
			}
			b, _ := c.fans[fan].(*branching[T])
			if b == nil {
				b = &branching[T]{outs: make([]engine.Outlet[T], len(names))}
				c.fans[fan] = b
			}
			b.outs[i] = out
			if b.known++; b.known == len(names) {
				follow(c, fan, s, add(c, b.outs))
			}
		}}
	}
	return branches
}

// Merge makes one stream of several.
//
//	in[0]   --a-------b---c--|
//	in[1]   -----1--2--------|
//	out     --a--1--2-b---c--|
//
// What it promises:
//   - Emits: each value of each stream.
//   - Order: values of one stream keep theirs; between them there is none. [MergeOrdered] goes by time.
//   - Holds: nothing.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: has nothing to emit. It is over when each of the streams is.
//   - Fails: to build, without streams.
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

// MergeOrdered makes one stream of several that are each roughly in the order of event time: see
// [operators.MergeOrdered]. Without streams the pipeline does not validate.
func MergeOrdered[T any](clock Clock[T], streams ...Stream[T]) Stream[T] {
	inlets := make([]inlet[operators.Nth[T]], len(streams))
	for i, s := range streams {
		inlets[i] = into(s, func(v T) operators.Nth[T] { return operators.Nth[T]{Stream: i, Value: v} })
	}
	merged := fanIn(operators.MergeOrdered(len(streams), clock), inlets...)
	merged.n.facts = []string{fmt.Sprintf("in the order of %v", clock)}
	return merged
}
