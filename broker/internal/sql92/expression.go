// Package sql92 parses and evaluates the filter expressions of subscriptions, as the server does:
// with its three truth values, its conversions, and its laxities. A condition over a property that
// a message lacks is neither true nor false, and what is not true does not match.
//
//	color IN ('red', 'green') AND NOT (weight > 1.5 OR TAGS IS NULL)
//
// A literal decides how a property is read: with 1 it has to be a whole number, with 1.5 any
// number. If a property cannot be read so, the expression as a whole does not match. What follows
// a complete condition is not looked at: x LIKE 'a%' is the condition x, which is never true.
package sql92

import "errors"

// Properties gives the property of a message by its name, and whether there is one.
type Properties func(name string) (string, bool)

// An Expression is a condition over the properties of a message. It does not change.
type Expression struct{ condition operand }

// Matches tells whether the expression is true.
func (e *Expression) Matches(properties Properties) bool {
	v, ok := e.condition.eval(properties)
	return ok && v.isTrue()
}

// An operand is a part of an expression.
type operand struct {
	// eval gives the value for a message. It gives false where the server throws an exception:
	// then the message does not match, whatever the rest of the expression says.
	eval func(Properties) (value, bool)

	constant *value // of a literal, else nil
	property bool   // it is nothing but a property
	truth    bool   // it is true, false or null
}

func literal(v value) operand {
	return operand{
		eval:     func(Properties) (value, bool) { return v, true },
		constant: &v,
		truth:    v.kind == boolean || v.kind == null,
	}
}

func property(name string) operand {
	return operand{property: true, eval: func(p Properties) (value, bool) {
		if s, ok := p(name); ok {
			return value{kind: str, s: s}, true
		}
		return value{}, true
	}}
}

// condition takes an operand for a condition. A property is one that is never true: texts are not
// converted here.
func condition(o operand) (operand, error) {
	switch {
	case o.truth:
		return o, nil
	case !o.property:
		return operand{}, errors.New("a condition is missing: a value is neither true nor false")
	}
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		v, ok := o.eval(p)
		if ok && v.kind != null {
			v = truth(false)
		}
		return v, ok
	}}, nil
}

func negative(o operand) operand {
	return operand{eval: func(p Properties) (value, bool) {
		v, ok := o.eval(p)
		return v.negate(), ok
	}}
}

// not is called with a condition, and so are all and some.
func not(o operand) operand {
	return operand{truth: true, eval: func(p Properties) (value, bool) {
		v, ok := o.eval(p)
		if ok && v.kind != null {
			v = truth(v.isFalse())
		}
		return v, ok
	}}
}

// all is false if one operand is, and true if each is.
func all(operands []operand) operand {
	return operand{truth: true, eval: func(p Properties) (value, bool) { return decide(p, operands, value.isFalse, false) }}
}

// some is true if one operand is, and false if each is.
func some(operands []operand) operand {
	return operand{truth: true, eval: func(p Properties) (value, bool) { return decide(p, operands, value.isTrue, true) }}
}

// decide gives the verdict of the first operand that is decisive. Those behind it are not
// evaluated. If there is none it gives the opposite, or null if one of them is.
func decide(p Properties, operands []operand, decisive func(value) bool, verdict bool) (value, bool) {
	unknown := false
	for _, o := range operands {
		v, ok := o.eval(p)
		switch {
		case !ok:
			return value{}, false
		case decisive(v):
			return truth(verdict), true
		case v.kind == null:
			unknown = true
		}
	}
	if unknown {
		return value{}, true
	}
	return truth(!verdict), true
}
