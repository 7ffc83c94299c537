package flow

import "github.com/rocketflow-io/rocketflow/internal/engine"

// exits is what an operator emits, which goes several ways: each a stream of its own.
type exits[S any] struct {
	n    *node
	pick func(S) int // the way that a value goes
	add  func(c *compiler, out engine.Outlet[S])
}

// exit adds a way, for what value makes of those that go it. The first is what the operator is for: a
// policy below it is that of the operator, too.
func exit[S, T any](x *exits[S], name string, value func(S) T) Stream[T] {
	at := x.n.branches
	x.n.branches++
	branch := newNode(kindBranch, name, x.n)
	branch.made, branch.main = x.n.made, at == 0
	return Stream[T]{branch, func(c *compiler, _ *node, out engine.Outlet[T]) {
		x.known(c, at, engine.NewWay(out, value))
	}}
}

// waysOut is where the ways of an operator lead, while a plan is being made.
type waysOut[S any] struct {
	ways  []engine.Way[S]
	known int
	below *Policy // the next policy down the first of them
}

// known notes where a way leads. The operator is added when that is known of all.
func (x *exits[S]) known(c *compiler, at int, way engine.Way[S]) {
	if x.n.problem != nil {
		if at == 0 {
			c.check(x.n)
		}
		return
	}
	b, _ := c.fans[x.n].(*waysOut[S])
	if b == nil {
		b = &waysOut[S]{ways: make([]engine.Way[S], x.n.branches)}
		c.fans[x.n] = b
	}
	if b.ways[at] = way; at == 0 {
		b.below = c.below
	}
	if b.known++; b.known == len(b.ways) {
		below := c.below
		c.below = b.below
		x.add(c, engine.AddSwitch(x.pick, b.ways))
		c.below = below
	}
}
