package flow

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// Explain describes the pipeline in text, a stage a line from each source down: where its
// goroutines meet, whether order is kept, when records settle, what becomes of their lease, and the
// error policy. The form is for people and may change.
func (p *Pipeline) Explain() string {
	var b strings.Builder
	name := p.name
	if name == "" {
		name = "pipeline"
	}
	fmt.Fprintf(&b, "%s\n", name)
	g := p.graph()
	for _, n := range g.order {
		fmt.Fprintf(&b, "  %-14s %s\n", g.ids[n.identity()]+" "+kindNames[n.kind], g.line(n))
	}
	return b.String()
}

// Mermaid describes the pipeline as a Mermaid flow chart, and each stage as Explain does. A thick arrow
// leads from one goroutine to others.
func (p *Pipeline) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	g := p.graph()
	for _, n := range g.order {
		lines := append([]string{n.name}, g.facts(n)...)
		fmt.Fprintf(&b, "  %s[\"%s\"]\n", g.ids[n.identity()], strings.ReplaceAll(strings.Join(lines, "<br/>"), `"`, "'"))
	}
	for _, n := range g.order {
		for _, in := range g.inputs(n) {
			arrow := "-->"
			if n.parts() {
				arrow = "==>"
			}
			if in.way != "" {
				arrow += fmt.Sprintf("|%s|", strings.ReplaceAll(in.way, "|", "/"))
			}
			fmt.Fprintf(&b, "  %s %s %s\n", g.ids[in.from.identity()], arrow, g.ids[n.identity()])
		}
	}
	return b.String()
}

// parts tells whether what a node does runs on other goroutines than what is above it.
func (n *node) parts() bool {
	switch n.kind {
	case kindOperator:
		return n.desc.Async
	case kindSink:
		return !n.sink.Immediate
	}
	return n.kind == kindEdge || n.kind == kindOptional || n.kind == kindMerge
}

var kindNames = map[nodeKind]string{
	kindSource: "source", kindOperator: "operator", kindMerge: "merge",
	kindEdge: "edge", kindBroadcast: "broadcast", kindSplit: "split", kindOptional: "optional", kindSink: "sink",
}

// graph is the shown nodes of a pipeline, upstream first, with their ids.
type graph struct {
	order  []*node
	ids    map[*node]string
	below  map[*node]*Policy // the next policy downstream
	named  map[*node]string  // as the engine knows them
	leases engine.Leases
}

func (p *Pipeline) graph() *graph {
	g := &graph{ids: make(map[*node]string), below: make(map[*node]*Policy)}
	if c, _ := p.compile(engine.Config{}); c != nil { // as far as it goes, if the pipeline is not valid
		g.named, g.leases = c.named, c.plan.Leases()
	}
	for _, e := range p.ends {
		g.visit(e.n, nil)
	}
	return g
}

// visit adds a node after all that is upstream of it.
func (g *graph) visit(n *node, below *Policy) {
	id := n.identity()
	if _, seen := g.below[id]; seen {
		return
	}
	g.below[id] = below
	switch {
	case n.kind == kindPolicy:
		below = n.policy
	case n.parted() || n.kind == kindSink || n.kind == kindOperator && len(n.ups) > 1:
		below = nil
	}
	for _, up := range n.ups {
		g.visit(up, below)
	}
	if _, shown := kindNames[n.kind]; shown {
		g.order = append(g.order, n)
		g.ids[id] = fmt.Sprintf("s%d", len(g.order))
	}
}

// input is a shown node right above another, and the way between them if there are several.
type input struct {
	from *node
	way  string
}

// inputs gives the shown nodes right above one.
func (g *graph) inputs(n *node) []input {
	var all []input
	for _, up := range n.ups {
		if _, shown := kindNames[up.kind]; shown {
			in := input{from: up}
			if n.kind == kindBranch && up.kind != kindBroadcast {
				in.way = n.name
			}
			all = append(all, in)
		} else {
			all = append(all, g.inputs(up)...)
		}
	}
	return all
}

// line tells what there is to know of a node.
func (g *graph) line(n *node) string {
	facts := []string{n.name}
	if len(n.ups) > 0 {
		var from []string
		for _, in := range g.inputs(n) {
			id := g.ids[in.from.identity()]
			if in.way != "" {
				id += fmt.Sprintf(" (%s)", in.way)
			}
			from = append(from, id)
		}
		facts = append(facts, "from "+strings.Join(from, ", "))
	}
	return strings.Join(append(facts, g.facts(n)...), "; ")
}

// facts tells what there is to know of a node but its name and where it stands.
func (g *graph) facts(n *node) []string {
	var facts []string
	switch n.kind {
	case kindSource:
		facts = append(facts, g.sourceFacts(n)...)
	case kindOperator:
		facts = append(facts, g.operatorFacts(n)...)
	case kindEdge:
		facts = append(facts, "keeps order", "parts goroutines", n.room, "settles with the value")
	case kindSink:
		facts = append(facts, sinkFacts(n)...)
	case kindBroadcast:
		facts = append(facts, "keeps order in a branch", "fused", "settles when all branches have that are not optional")
	case kindSplit:
		facts = append(facts, fmt.Sprintf("each to one of %d branches", n.branches), "keeps order in a branch", "fused", "settles with the value")
	case kindMerge:
		facts = append(facts, "keeps the order of each", "parts goroutines", "settles with the value")
	}
	switch n.kind {
	case kindOptional:
		facts = append(facts, "settles done at once", fmt.Sprintf("at most %d records in the branch", n.most), "keeps order", "on "+counted(1, "goroutine"))
	case kindSource, kindOperator, kindSplit, kindSink:
		facts = append(facts, "on error: "+g.policyOf(n).String())
	}
	return facts
}

// policyOf finds a stage's policy by the rule of OnError.
func (g *graph) policyOf(n *node) Policy {
	p := g.below[n.identity()]
	if n.kind == kindSink {
		p = n.policy
	}
	if p == nil {
		p = n.policyAbove()
	}
	if p == nil {
		return Policy{}
	}
	return *p
}

func (g *graph) sourceFacts(n *node) []string {
	var facts []string
	if n.source.Keyed {
		facts = append(facts, "ordered by key")
	}
	if n.source.Lease > 0 {
		facts = append(facts, fmt.Sprintf("lease %v", n.source.Lease)+g.budget(n))
	}
	if n.source.Redelivers {
		facts = append(facts, "redelivers what fails")
	}
	return facts
}

// budget tells how much of a source's lease is spent.
func (g *graph) budget(n *node) string {
	budget, ok := g.leases.Budget[g.named[n]]
	switch spent := g.leases.Spent[g.named[n]]; {
	case !ok || spent == 0:
		return ""
	default:
		return fmt.Sprintf(", held for at most %v of the %v it leaves", spent, budget)
	}
}

func (g *graph) operatorFacts(n *node) []string {
	facts := []string{"keeps order"}
	switch {
	case n.desc.PerKey:
		facts[0] = "keeps order per key"
	case n.desc.Unordered:
		facts[0] = "does not keep order"
	}
	if n.desc.Async {
		facts = append(facts, "on "+counted(n.desc.Parallel, "goroutine"))
	} else {
		facts = append(facts, "fused")
	}
	facts = append(facts, "settles "+cmp.Or(n.desc.Settles, "with what comes of it"))
	facts = append(facts, n.facts...)
	if n.desc.Holds {
		hold := "holds records until it is full"
		if n.desc.HoldsAhead {
			hold = "holds what is ahead"
		}
		switch {
		case n.desc.HoldsFor > 0:
			hold = fmt.Sprintf("holds records for at most %v", n.desc.HoldsFor)
		case n.desc.HoldsLeft:
			hold = "holds records for as long as their lease leaves"
			if left, ok := g.leases.Left[g.named[n]]; ok {
				hold += fmt.Sprintf(": %v", left)
			}
		}
		facts = append(facts, hold)
	}
	return facts
}

func sinkFacts(n *node) []string {
	var facts []string
	switch g := n.sinkOpts.gather; {
	case g.Count > 0 && g.Age > 0:
		facts = append(facts, fmt.Sprintf("batches of %d or %v", g.Count, g.Age))
	case g.Count > 0:
		facts = append(facts, fmt.Sprintf("batches of %d", g.Count))
	}
	if n.sink.Concurrency > 1 {
		facts = append(facts, "does not keep order")
	} else {
		facts = append(facts, "keeps order")
	}
	if n.sink.Immediate {
		facts = append(facts, "fused")
	} else {
		facts = append(facts, counted(n.sink.Concurrency, "write")+" at once")
	}
	return append(facts, "settles each value when it is written")
}

// counted gives a number, 1 at least, of what a word names.
func counted(n int, word string) string {
	if n <= 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
