package flow

import (
	"fmt"
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
)

// Pair is a value of each of two streams.
type Pair[L, R any] = operators.Pair[L, R]

// LeftOverError tells that a value has no partner in a [Stream.Zip].
type LeftOverError = operators.LeftOverError

// Zip pairs the values of the stream with those of another by their positions: see [operators.Zip]. P is
// inferred.
func (s Stream[T]) Zip[U any, P interface{ Pair[T, U] }](other Stream[U]) Stream[P] {
	zipped := fanIn(operators.Zip[T, U, P](),
		into(s, func(v T) operators.Either[T, U] { return operators.Either[T, U]{Left: v} }),
		into(other, func(v U) operators.Either[T, U] { return operators.Either[T, U]{Right: v, IsRight: true} }))
	if shared := sharedSource(s.n, other.n); shared != nil && zipped.n.problem == nil {
		zipped.n.problem = fmt.Errorf("both streams come from %s: as soon as one of them drops a value, the other waits for ever: make both values of a pair in one function, or join by a key", shared.label())
	}
	return zipped
}

// sharedSource gives a source that is above both nodes; nil if there is none.
func sharedSource(a, b *node) *node {
	of := sourcesAbove(a)
	for _, src := range sourcesAbove(b) {
		if i := slices.IndexFunc(of, func(n *node) bool { return n.identity() == src.identity() }); i >= 0 {
			return of[i]
		}
	}
	return nil
}

// sourcesAbove gives the sources that a node's values come from.
func sourcesAbove(n *node) []*node {
	switch {
	case n == nil:
		return nil
	case n.kind == kindSource:
		return []*node{n}
	}
	var all []*node
	for _, up := range n.ups {
		all = append(all, sourcesAbove(up)...)
	}
	return all
}

// inlet is one of several streams that an operator takes, as values of the one type that it takes.
type inlet[I any] struct {
	n      *node
	follow func(c *compiler, n *node, out engine.Outlet[I])
}

func into[T, I any](s Stream[T], value func(T) I) inlet[I] {
	return inlet[I]{s.n, func(c *compiler, n *node, out engine.Outlet[I]) {
		follow(c, n, s, engine.Converted(engine.AddInput(c.plan, out), value))
	}}
}

// fanIn passes several streams through one operator.
func fanIn[I, R any](op stage.Operator[I, R], inlets ...inlet[I]) Stream[R] {
	ups := make([]*node, len(inlets))
	for i, in := range inlets {
		ups[i] = in.n
	}
	n := newNode(kindOperator, "", ups...)
	n.desc = op.Describe()
	n.name, n.problem = n.desc.Name, n.desc.Problem
	return Stream[R]{n, func(c *compiler, n *node, out engine.Outlet[R]) { addFanIn(c, n, op, inlets, out) }}
}

// addFanIn adds an operator that takes several streams to a plan.
func addFanIn[I, R any](c *compiler, n *node, op stage.Operator[I, R], inlets []inlet[I], out engine.Outlet[R]) {
	in := engine.AddOperator(c.plan, c.spec(n), op, out)
	below := c.below
	c.below = nil // a policy further down is none of the streams above
	for _, i := range inlets {
		i.follow(c, n, in)
	}
	c.below = below
}
