package flow

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
)

type nodeKind int

const (
	kindSource nodeKind = iota
	kindOperator
	kindPolicy
	kindEdge
	kindBroadcast
	kindSplit
	kindBranch
	kindOptional
	kindMerge
	kindSink
)

// node is a step of a pipeline's description, without its types.
type node struct {
	kind     nodeKind
	name     string
	made     string // file:line
	ups      []*node
	problem  error
	desc     stage.Description  // of operators
	room     string             // of edges
	source   stage.SourceTraits // of sources
	sink     stage.SinkTraits   // of sinks
	sinkOpts sinkConfig         // likewise
	policy   *Policy            // of policy nodes, and of sinks that were given one
	facts    []string           // for Explain, of operators that have more to tell
	branches int                // of broadcasts and splits
	most     int                // of optional branches: records at once
	main     bool               // of branches: what its operator is for, and not a way beside
	first    *node              // what a renamed node is a copy of
	sides    []end              // that ride along with the stream
	kept     *keeping           // of windows and tables in a store
}

// identity is the node itself, whatever its name.
func (n *node) identity() *node {
	if n.first != nil {
		return n.first
	}
	return n
}

// newNode makes a node behind others; those of a zero Stream are nil, and left to follow to report.
func newNode(kind nodeKind, name string, ups ...*node) *node {
	ups = slices.DeleteFunc(ups, func(up *node) bool { return up == nil })
	return &node{kind: kind, name: name, ups: ups, made: callSite()}
}

// callSite gives the place outside this package that a node was made at.
func callSite() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "rocketflow/flow.") || strings.HasSuffix(f.File, "_test.go") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func sourceName(src any) string {
	if d, ok := src.(stage.SourceDescriber); ok && d.SourceTraits().Name != "" {
		return d.SourceTraits().Name
	}
	return typeName(src)
}

func sinkName(sink any) string {
	if d, ok := sink.(stage.SinkDescriber); ok && d.SinkTraits().Name != "" {
		return d.SinkTraits().Name
	}
	return typeName(sink)
}

// typeName gives a type's name without package and type arguments.
func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	name := reflect.TypeOf(v).String()
	name, _, _ = strings.Cut(name, "[")
	return strings.TrimPrefix(name[strings.LastIndex(name, ".")+1:], "*")
}

// compiler turns descriptions into a plan for one run.
type compiler struct {
	plan     *engine.Plan
	problems []error
	names    map[string]int
	named    map[*node]string
	taken    map[*node]*node // who consumes a node
	fans     map[*node]any   // *branching[T] of broadcasts and splits
	below    *Policy         // the next policy downstream, while attaching upwards
	policies map[*Policy]*engine.Policy
	keeps    []*node // with windows or a table in a store
	stages   []governed
}

func newCompiler(cfg engine.Config) *compiler {
	return &compiler{
		plan: engine.NewPlan(cfg), names: make(map[string]int), named: make(map[*node]string),
		taken: make(map[*node]*node), fans: make(map[*node]any),
		policies: make(map[*Policy]*engine.Policy),
	}
}

// follow attaches what stands before a node. A node that is consumed twice is a mistake that both
// places are named for.
func follow[T any](c *compiler, n *node, up Stream[T], out engine.Outlet[T]) {
	if up.n == nil {
		c.problems = append(c.problems, fmt.Errorf("flow: %s at %s has no input: begin with From", n.label(), n.made))
		return
	}
	if by, twice := c.taken[up.n.identity()]; twice {
		c.problems = append(c.problems, fmt.Errorf("flow: the stream after %s is consumed twice, at %s and at %s: fan it out with Broadcast", up.n.label(), by.made, n.made))
		return
	}
	c.taken[up.n.identity()] = n
	c.check(up.n)
	if up.n.problem != nil {
		return // there is nothing to build; what is above it is checked when this is mended
	}
	below := c.below
	switch {
	case up.n.kind == kindPolicy:
		c.below = up.n.policy
	case up.n.parted():
		c.below = nil
	}
	up.attach(c, up.n, out)
	c.below = below
}

// parted tells whether a policy below a node is none of the stages above it: where the stream is one of
// several there.
func (n *node) parted() bool { return n.kind == kindMerge || n.kind == kindBranch && !n.main }

func (c *compiler) check(n *node) {
	c.checkKept(n)
	if n.problem != nil {
		c.problems = append(c.problems, fmt.Errorf("flow: %s at %s: %w", n.label(), n.made, n.problem))
	}
}

// spec names a stage and gives its policy: the next one downstream, else the nearest upstream.
func (c *compiler) spec(n *node) engine.StageSpec {
	p := c.below
	if n.kind == kindSink {
		p = n.policy
	}
	if p == nil {
		p = n.policyAbove()
	}
	c.stages = append(c.stages, governed{n, p})
	return engine.StageSpec{Name: c.nameOf(n), Policy: c.enginePolicy(p)}
}

func (c *compiler) enginePolicy(p *Policy) *engine.Policy {
	if p == nil {
		return nil
	}
	if _, ok := c.policies[p]; !ok {
		c.policies[p] = &p.p
	}
	return c.policies[p]
}

// policyAbove gives the nearest policy upstream; of a merge, that of its first input.
func (n *node) policyAbove() *Policy {
	for len(n.ups) > 0 {
		if n = n.ups[0]; n.kind == kindPolicy {
			return n.policy
		}
	}
	return nil
}

// nameOf gives the node's name, numbered if it is not the first of that name.
func (c *compiler) nameOf(n *node) string {
	if name, ok := c.named[n]; ok {
		return name
	}
	c.names[n.name]++
	name := n.name
	if k := c.names[n.name]; k > 1 {
		name = fmt.Sprintf("%s %d", n.name, k)
	}
	c.named[n] = name
	return name
}

// label is how errors name a node.
func (n *node) label() string {
	switch n.kind {
	case kindSource:
		return fmt.Sprintf("source %q", n.name)
	case kindSink:
		return fmt.Sprintf("sink %q", n.name)
	case kindOperator, kindSplit, kindOptional, kindEdge:
		return fmt.Sprintf("stage %q", n.name)
	case kindPolicy:
		return "OnError"
	}
	return n.name
}
