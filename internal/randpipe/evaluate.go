package randpipe

// Effects gives what must come of an input, by plain evaluation: what the pipeline does, done without an
// engine. Source is the stage that reads it, and alone says that there is no other source.
func (d *Design) Effects(it Item, source string, alone bool) []Effect {
	var own policy // of the source's stage
	if len(d.chain.groups) > 0 && alone {
		own = d.chain.groups[0].policy
	}
	return evaluate(d.chain, located{Item: it}.passing(source, own), policy{})
}

// located is a value with the stages that it has passed.
type located struct {
	Item
	hops []hop
}

// passing is the value with one more stage behind it.
func (at located) passing(stage string, p policy) located {
	at.hops = append(at.hops[:len(at.hops):len(at.hops)], hop{stage: stage, policy: p, id: at.ID})
	return at
}

// evaluate gives what comes of a value in a chain. Above is the policy that holds for what has none of
// its own.
func evaluate(c chain, it located, above policy) []Effect {
	items := []located{it}
	var effects []Effect
	for _, g := range c.groups {
		above = g.policy
		for _, o := range g.ops {
			var next []located
			for _, at := range items {
				if o.stores {
					at = at.passing(o.storing(), g.policy)
					at.hops[len(at.hops)-1].kept = true
				}
				if o.tables {
					at = at.passing(o.tableStage(), g.policy)
					effects = append(effects, o.changed(at))
				}
				passed := at.passing(o.name, g.policy)
				passed.hops[len(passed.hops)-1].once = o.once
				for _, out := range o.gives(o, at.Item) {
					next = append(next, located{out, passed.hops})
				}
			}
			items = next
		}
	}
	for _, at := range items {
		switch {
		case c.sink != nil:
			p := above
			if c.sink.own != nil {
				p = *c.sink.own
			}
			effects = append(effects, Effect{c.sink.Name, at.ID, at.Lane, at.passing(c.sink.Name, p).hops})
		case c.fan != nil:
			effects = append(effects, c.fan.evaluate(at, above)...)
		default: // to be merged
			effects = append(effects, Effect{ID: at.ID, Lane: at.Lane, hops: at.hops})
		}
	}
	return effects
}

func (f *fan) evaluate(at located, above policy) []Effect {
	var effects []Effect
	first := above // the merged stream's policy above is that of its first input
	if groups := f.branches[0].groups; len(groups) > 0 {
		first = groups[len(groups)-1].policy
	}
	for i, branch := range f.branches {
		if !f.takes(i, at.Item) {
			continue
		}
		if f.rest == nil {
			into := at
			if f.optional == i && i > 0 {
				into = at.passing("optional", policy{})
				into.hops[len(into.hops)-1].optional = true
			}
			effects = append(effects, evaluate(branch, into, above)...)
			continue
		}
		for _, e := range evaluate(branch, located{f.into(i, at.Item), at.hops}, above) {
			if e.Sink != "" { // it is there before the streams are merged
				effects = append(effects, e)
				continue
			}
			it := at.Item
			it.ID, it.Lane = e.ID, e.Lane
			effects = append(effects, evaluate(*f.rest, located{it, e.hops}, first)...)
		}
	}
	return effects
}
