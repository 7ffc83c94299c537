package flow

import (
	"fmt"
	"slices"
)

// withSide lets the ends of a pipeline ride along with the stream: they are part of each pipeline that
// the stream becomes part of. It is for operators that give out more than one stream, and take what
// becomes of the others as functions, so that their users need no [Join]. The pipeline is what such a
// function gave; from names the method that took the function, for errors.
func (s Stream[T]) withSide(from string, p *Pipeline) Stream[T] {
	if s.n == nil {
		return s
	}
	n := *s.n
	n.first = s.n.identity()
	if p == nil || len(p.ends) == 0 {
		n.problem = fmt.Errorf("%s: the function gave no pipeline: let it end its stream in a sink, and return what To gives", from)
	} else {
		n.sides = slices.Concat(n.sides, p.ends)
	}
	return Stream[T]{&n, s.attach}
}

// sidesAbove gives the ends that ride along with the streams above a node.
func sidesAbove(n *node) []end {
	var sides []end
	seen := make(map[*node]bool)
	var visit func(n *node)
	visit = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, up := range n.ups {
			visit(up)
		}
		sides = append(sides, n.sides...)
	}
	visit(n)
	return sides
}

// distinct leaves out ends that came by several ways.
func distinct(ends []end) []end {
	seen := make(map[*node]bool)
	return slices.DeleteFunc(ends, func(e end) bool {
		again := seen[e.n]
		seen[e.n] = true
		return again
	})
}
