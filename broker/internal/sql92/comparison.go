package sql92

import (
	"cmp"
	"errors"
	"strings"
)

// equal compares for equality.
func equal(l, r operand) (operand, error) {
	for _, o := range [...]operand{l, r} {
		if o.constant != nil && o.constant.kind == null {
			return operand{}, errors.New("NULL cannot be compared: write IS NULL")
		}
	}
	if l.constant != nil && r.constant != nil && l.truth && !r.truth {
		return operand{}, errors.New("a truth value cannot be compared with a constant of another kind")
	}
	return same(l, r), nil
}

// same is equality without a check. A null is the same as a null. If only the left is null, nothing
// can be said; if only the right is, they differ.
func same(l, r operand) operand {
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		lv, ok := l.eval(p)
		if !ok {
			return value{}, false
		}
		rv, ok := r.eval(p)
		switch {
		case !ok:
			return value{}, false
		case lv.kind == null && rv.kind == null:
			return truth(true), true
		case lv.kind == null:
			return value{}, true
		case rv.kind == null:
			return truth(false), true
		}
		order, ok := compare(lv, rv)
		return truth(order == 0), ok
	}}
}

func isNull(o operand) operand { return same(o, literal(value{})) }

// ordered compares by order: holds tells which orders of the left to the right are meant.
func ordered(l, r operand, holds func(order int) bool) (operand, error) {
	for _, o := range [...]operand{l, r} {
		switch {
		case o.truth:
			return operand{}, errors.New("a truth value has no order")
		case o.constant != nil && o.constant.kind == str:
			return operand{}, errors.New("a text has no order")
		}
	}
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		lv, ok := l.eval(p)
		if !ok || lv.kind == null {
			return value{}, ok
		}
		rv, ok := r.eval(p)
		if !ok || rv.kind == null {
			return value{}, ok
		}
		if lv.kind == str && rv.kind == str { // two properties: as numbers
			rv, ok = rv.as(double)
		}
		if !ok {
			return value{}, false
		}
		order, ok := compare(lv, rv)
		return truth(holds(order)), ok
	}}, nil
}

func less(order int) bool           { return order < 0 }
func lessOrEqual(order int) bool    { return order <= 0 }
func greater(order int) bool        { return order > 0 }
func greaterOrEqual(order int) bool { return order >= 0 }

// between tells whether o lies between two bounds, or is one of them.
func between(o, low, high operand) (operand, error) {
	if low.constant != nil && high.constant != nil {
		if low.constant.kind == null || high.constant.kind == null {
			return operand{}, errors.New("NULL is no bound")
		}
		if order, ok := compare(*high.constant, *low.constant); !ok || order < 0 {
			return operand{}, errors.New("the bounds are in the wrong order")
		}
	}
	l, err := ordered(o, low, greaterOrEqual)
	r, other := ordered(o, high, lessOrEqual)
	return all([]operand{l, r}), cmp.Or(err, other)
}

func notBetween(o, low, high operand) (operand, error) {
	l, err := ordered(o, low, less)
	r, other := ordered(o, high, greater)
	return some([]operand{l, r}), cmp.Or(err, other)
}

// in tells whether a property is one of some texts, or none of them.
func in(o operand, texts map[string]bool, negated bool) (operand, error) {
	if !o.property {
		return operand{}, errors.New("only a property can be looked for in a list")
	}
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		v, ok := o.eval(p)
		if !ok || v.kind == null {
			return value{}, ok
		}
		return truth(texts[v.s] != negated), true
	}}, nil
}

// search looks for a text in another. It is false, negated or not, of what is no text, and if there
// is nothing to look for.
func search(o operand, found func(s, part string) bool, part string, negated bool) operand {
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		v, ok := o.eval(p)
		return truth(part != "" && v.kind == str && found(v.s, part) != negated), ok || part == ""
	}}
}

// searches are the ways to look for a text, by keyword.
func searches(keyword string) func(s, part string) bool {
	switch keyword {
	case "CONTAINS":
		return strings.Contains
	case "STARTSWITH":
		return strings.HasPrefix
	case "ENDSWITH":
		return strings.HasSuffix
	}
	return nil
}
