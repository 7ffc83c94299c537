package broker

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A resourceType is what an ACL protects.
type resourceType int

const (
	topicResource resourceType = iota
	groupResource
	anyResource // of rules alone
)

// String gives the server's name.
func (t resourceType) String() string {
	switch t {
	case topicResource:
		return "Topic"
	case groupResource:
		return "Group"
	default:
		return "*"
	}
}

// A pattern is how the name of a rule is read. The order is that of precedence.
type pattern int

const (
	literal pattern = iota
	prefix
	everyName
)

// An actionSet is some of the actions, as bits.
type actionSet uint8

const (
	publishes actionSet = 1 << iota
	subscribes
)

// A rule is a policy made ready.
type rule struct {
	resource resourceType
	pattern  pattern
	name     string // empty where every name will do
	actions  actionSet
	deny     bool
	sources  []netip.Prefix // none for all
}

// A need is something that a request does: one of the actions on one resource.
type need struct {
	resource resourceType
	name     string
	actions  actionSet
}

// authorize refuses what the user may not do.
func (a *account) authorize(n need, source netip.Addr) error {
	if a.Super {
		return nil
	}
	for i := range a.rules {
		r := &a.rules[i]
		if !r.applies(n, source) {
			continue
		}
		if r.deny {
			return a.errNoPermission(n, source, "the decision is deny.")
		}
		return nil
	}
	return a.errNoPermission(n, source, "no matched policies.")
}

func (a *account) errNoPermission(n need, source netip.Addr, detail string) error {
	return unauthorized("%v has no permission to access %v:%s from %v, %s", a.User, n.resource, n.name, source, detail)
}

func (r *rule) applies(n need, source netip.Addr) bool {
	return r.covers(n) && r.actions&n.actions != 0 &&
		(len(r.sources) == 0 || slices.ContainsFunc(r.sources, func(p netip.Prefix) bool { return p.Contains(source) }))
}

func (r *rule) covers(n need) bool {
	switch {
	case r.resource == anyResource:
		return true
	case r.resource != n.resource:
		return false
	case r.pattern == literal:
		return r.name == n.name
	default:
		return strings.HasPrefix(n.name, r.name)
	}
}

// compareRules puts the more specific rule first. Rules of one user are never equal.
func compareRules(a, b rule) int {
	return cmp.Or(
		cmp.Compare(a.resource, b.resource),
		cmp.Compare(a.pattern, b.pattern),
		cmp.Compare(len(b.name), len(a.name)),
		cmp.Compare(a.name, b.name),
	)
}

// rulesOf makes the policies of a user ready. Its errors are for a ConfigError.
func rulesOf(policies []Policy) ([]rule, error) {
	rules := make([]rule, 0, len(policies))
	for _, p := range policies {
		r, err := ruleOf(p)
		if err != nil {
			return nil, fmt.Errorf("policy for %q: %w", p.Resource, err)
		}
		at, taken := slices.BinarySearchFunc(rules, r, compareRules)
		if taken {
			return nil, fmt.Errorf("two policies for %q: join them", p.Resource)
		}
		rules = slices.Insert(rules, at, r)
	}
	return rules, nil
}

func ruleOf(p Policy) (rule, error) {
	r := rule{deny: p.Deny}
	if err := r.setResource(p.Resource); err != nil {
		return r, err
	}
	if len(p.Actions) == 0 {
		return r, fmt.Errorf("no actions: want %s, %s or %s", Publish, Subscribe, AllActions)
	}
	for _, action := range p.Actions {
		switch {
		case strings.EqualFold(string(action), string(Publish)):
			r.actions |= publishes
		case strings.EqualFold(string(action), string(Subscribe)):
			r.actions |= subscribes
		case strings.EqualFold(string(action), string(AllActions)):
			r.actions |= publishes | subscribes
		default:
			return r, fmt.Errorf("action %q: want %s, %s or %s", action, Publish, Subscribe, AllActions)
		}
	}
	for _, source := range p.Sources {
		network, err := parseSource(source)
		if err != nil {
			return r, err
		}
		r.sources = append(r.sources, network)
	}
	return r, nil
}

// setResource reads "Topic:name", "Group:begins*", "Topic:*" or "*".
func (r *rule) setResource(text string) error {
	if text == "*" {
		r.resource, r.pattern = anyResource, everyName
		return nil
	}
	kind, name, _ := strings.Cut(text, ":")
	switch {
	case strings.EqualFold(kind, topicResource.String()):
		r.resource = topicResource
	case strings.EqualFold(kind, groupResource.String()):
		r.resource = groupResource
	default:
		return errors.New(`want a resource such as "Topic:orders", "Group:bill*" or "*"`)
	}
	begin, isPrefix := strings.CutSuffix(name, "*")
	switch {
	case begin == "" && isPrefix:
		r.pattern = everyName
	case begin == "" || !isName(begin):
		return fmt.Errorf("name %q: want letters, digits and %%|_-, and a star at the end for a prefix", name)
	case isPrefix:
		r.pattern = prefix
	}
	r.name = begin
	return nil
}

// parseSource reads an address or a network.
func parseSource(text string) (netip.Prefix, error) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`source %q: want an address such as "10.0.0.7" or a network such as "10.0.0.0/8"`, text)
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
