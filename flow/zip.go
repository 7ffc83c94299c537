package flow

import (
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
	return fanIn(operators.Zip[T, U, P](),
		into(s, func(v T) operators.Either[T, U] { return operators.Either[T, U]{Left: v} }),
		into(other, func(v U) operators.Either[T, U] { return operators.Either[T, U]{Right: v, IsRight: true} }))
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
	return Stream[R]{n, func(c *compiler, n *node, out engine.Outlet[R]) {
		in := engine.AddOperator(c.plan, c.spec(n), op, out)
		below := c.below
		c.below = nil // a policy further down is none of the streams above
		for _, i := range inlets {
			i.follow(c, n, in)
		}
		c.below = below
	}}
}
