package sql92

import (
	"fmt"
	"strings"
)

// maxDepth bounds how deep an expression may be nested, so that none can exhaust the stack.
const maxDepth = 1000

// Parse reads an expression, or fails with a [*SyntaxError].
func Parse(source string) (*Expression, error) {
	e, rest, err := parse(source)
	if err != nil {
		return nil, err
	}
	// A comment at the end needs no end of its line.
	if rest.kind != end && !strings.HasPrefix(source[rest.offset:], "--") {
		return nil, &SyntaxError{rest.offset, fmt.Sprintf("%q does not belong to the condition before it", rest.text)}
	}
	return e, nil
}

// ParseBeginning is Parse as the server does it: whatever follows a condition does not matter, as long
// as its first word means something.
func ParseBeginning(source string) (*Expression, error) {
	e, _, err := parse(source)
	return e, err
}

// parse reads a condition, and gives what follows it.
func parse(source string) (*Expression, token, error) {
	p := &parser{lexer: lexer{source: source}}
	p.advance()
	o := p.condition(p.or())
	if p.err != nil {
		return nil, token{}, p.err
	}
	return &Expression{o}, p.token, nil
}

// A parser goes through the rules of the grammar, one method each. After a fault it goes on to no
// purpose: the first one is the answer.
type parser struct {
	lexer lexer
	token token // the next one
	depth int
	err   error
}

// advance goes to the next token and gives the one before it.
func (p *parser) advance() token {
	before := p.token
	if p.err == nil {
		if p.token, p.err = p.lexer.next(); p.err != nil {
			p.token = token{offset: len(p.lexer.source)}
		}
	}
	return before
}

// fail notes a fault.
func (p *parser) fail(offset int, reason string) operand {
	if p.err == nil {
		p.err = &SyntaxError{offset, reason}
		p.token = token{offset: len(p.lexer.source)} // nothing more to read
	}
	return operand{eval: func(Properties) (value, bool) { return value{}, false }, truth: true}
}

// checked gives an operand, unless it cannot be.
func (p *parser) checked(o operand, err error) operand {
	if err != nil {
		return p.fail(p.token.offset, err.Error())
	}
	return o
}

func (p *parser) condition(o operand) operand { return p.checked(condition(o)) }

// accept goes past a token, if it is the next.
func (p *parser) accept(kind tokenKind, text string) bool {
	if !p.token.is(kind, text) {
		return false
	}
	p.advance()
	return true
}

// expect goes past a token.
func (p *parser) expect(kind tokenKind, text string) {
	if !p.accept(kind, text) {
		p.fail(p.token.offset, "want "+text)
	}
}

// deeper calls a rule within another.
func (p *parser) deeper(rule func() operand) operand {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return p.fail(p.token.offset, "nested too deeply")
	}
	return rule()
}

// or is one condition, or several of which one must hold.
func (p *parser) or() operand { return p.joined("OR", p.and, some) }

func (p *parser) and() operand { return p.joined("AND", p.equality, all) }

func (p *parser) joined(word string, part func() operand, join func([]operand) operand) operand {
	first := part()
	if !p.token.is(keyword, word) {
		return first
	}
	parts := []operand{p.condition(first)}
	for p.accept(keyword, word) {
		parts = append(parts, p.condition(part()))
	}
	return join(parts)
}

func (p *parser) equality() operand {
	left := p.comparison()
	for range maxDepth {
		switch {
		case p.accept(sign, "="):
			left = p.checked(equal(left, p.comparison()))
		case p.accept(sign, "<>"):
			left = not(p.checked(equal(left, p.comparison())))
		case p.accept(keyword, "IS"):
			left = p.nullity(left)
		default:
			return left
		}
	}
	return p.fail(p.token.offset, "nested too deeply")
}

// nullity follows IS.
func (p *parser) nullity(left operand) operand {
	negated := p.accept(keyword, "NOT")
	p.expect(keyword, "NULL")
	if negated {
		return not(isNull(left))
	}
	return isNull(left)
}

func (p *parser) comparison() operand {
	left := p.unary()
	for range maxDepth {
		switch {
		case p.accept(sign, ">"):
			left = p.checked(ordered(left, p.unary(), greater))
		case p.accept(sign, ">="):
			left = p.checked(ordered(left, p.unary(), greaterOrEqual))
		case p.accept(sign, "<"):
			left = p.checked(ordered(left, p.unary(), less))
		case p.accept(sign, "<="):
			left = p.checked(ordered(left, p.unary(), lessOrEqual))
		case p.accept(keyword, "NOT"):
			left = p.predicate(left, true)
		case p.token.kind == keyword && isPredicate(p.token.text):
			left = p.predicate(left, false)
		default:
			return left
		}
	}
	return p.fail(p.token.offset, "nested too deeply")
}

func isPredicate(word string) bool {
	return word == "BETWEEN" || word == "IN" || searches(word) != nil
}

// predicate is what may be negated, from its keyword on.
func (p *parser) predicate(left operand, negated bool) operand {
	word := p.advance()
	switch {
	case word.is(keyword, "BETWEEN"):
		low := p.unary()
		p.expect(keyword, "AND")
		high := p.unary()
		if negated {
			return p.checked(notBetween(left, low, high))
		}
		return p.checked(between(left, low, high))
	case word.is(keyword, "IN"):
		return p.checked(in(left, p.texts(), negated))
	case word.kind == keyword && searches(word.text) != nil:
		return search(left, searches(word.text), p.text(), negated)
	}
	return p.fail(word.offset, "want BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH after NOT")
}

// texts is a list of texts in parentheses.
func (p *parser) texts() map[string]bool {
	p.expect(sign, "(")
	all := map[string]bool{p.text(): true}
	for p.accept(sign, ",") {
		all[p.text()] = true
	}
	p.expect(sign, ")")
	return all
}

func (p *parser) text() string {
	if p.token.kind != text {
		p.fail(p.token.offset, "want a text in single quotes")
		return ""
	}
	return p.advance().text
}

func (p *parser) unary() operand {
	switch {
	case p.accept(sign, "+"):
		return p.deeper(p.unary)
	case p.accept(sign, "-"):
		return negative(p.deeper(p.unary))
	case p.accept(keyword, "NOT"):
		return not(p.condition(p.deeper(p.unary)))
	}
	return p.primary()
}

func (p *parser) primary() operand {
	switch t := p.advance(); {
	case t.kind == text:
		return literal(value{kind: str, s: t.text})
	case t.kind == whole:
		return p.numeral(t, number)
	case t.kind == decimal:
		return p.numeral(t, fraction)
	case t.is(keyword, "TRUE"), t.is(keyword, "FALSE"):
		return literal(truth(t.text == "TRUE"))
	case t.is(keyword, "NULL"):
		return literal(value{})
	case t.kind == identifier:
		return property(t.text)
	case t.is(sign, "("):
		o := p.deeper(p.or)
		p.expect(sign, ")")
		return o
	case t.kind == end:
		return p.fail(t.offset, "the expression ends where a value is wanted")
	default:
		return p.fail(t.offset, fmt.Sprintf("want a value before %q", t.text))
	}
}

func (p *parser) numeral(t token, read func(string) (value, bool)) operand {
	v, ok := read(t.text)
	if !ok {
		return p.fail(t.offset, fmt.Sprintf("the number %s is out of range, which begins above 0 for decimals", t.text))
	}
	return literal(v)
}
