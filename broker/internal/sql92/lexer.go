package sql92

import (
	"fmt"
	"strings"
)

// SyntaxError is an expression that cannot be parsed, or that compares what cannot be compared.
type SyntaxError struct {
	Offset int // in the expression, in bytes
	Reason string
}

// Error says where and why.
func (e *SyntaxError) Error() string { return fmt.Sprintf("sql92: at byte %d: %s", e.Offset, e.Reason) }

// A tokenKind tells tokens apart.
type tokenKind int

const (
	end tokenKind = iota
	identifier
	text
	whole
	decimal
	sign    // an operator, a comma or a parenthesis
	keyword // the text in capitals
)

// A token is one word of an expression. Of text it holds what is meant, of all else what is written.
type token struct {
	kind   tokenKind
	text   string
	offset int
}

func (t token) is(kind tokenKind, text string) bool { return t.kind == kind && t.text == text }

// A lexer reads tokens one after the other. What lies behind the last one read is not looked at,
// as on the server, which does not mind nonsense at the end of an expression.
type lexer struct {
	source string
	at     int
}

func (l *lexer) next() (token, error) {
	l.skip()
	start := l.at
	if start == len(l.source) {
		return token{kind: end, offset: start}, nil
	}
	switch c := l.source[start]; {
	case isLetter(c):
		return l.word(), nil
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		return l.number(), nil
	case c == '\'':
		return l.quoted()
	}
	for _, s := range [...]string{"<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "+", "-"} {
		if strings.HasPrefix(l.source[start:], s) {
			l.at += len(s)
			return token{sign, s, start}, nil
		}
	}
	return token{}, &SyntaxError{start, fmt.Sprintf("%q means nothing", firstRune(l.source[start:]))}
}

// skip passes over white space and comments.
func (l *lexer) skip() {
	for l.at < len(l.source) {
		switch rest := l.source[l.at:]; {
		case strings.IndexByte(" \t\n\r\f", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "--") && strings.ContainsAny(rest, "\n\r"): // a line that ends
			l.at += strings.IndexAny(rest, "\n\r")
		case strings.HasPrefix(rest, "/*") && strings.Contains(rest[2:], "*/"):
			l.at += 2 + strings.Index(rest[2:], "*/") + 2
		default:
			return
		}
	}
}

// peek gives the byte n behind the present one, 0 behind the end.
func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.source) {
		return l.source[l.at+n]
	}
	return 0
}

func (l *lexer) word() token {
	start := l.at
	for isLetter(l.peek(0)) || isDigit(l.peek(0)) {
		l.at++
	}
	word := l.source[start:l.at]
	switch upper := strings.ToUpper(word); upper {
	case "NOT", "AND", "OR", "BETWEEN", "IN", "TRUE", "FALSE", "NULL", "IS", "CONTAINS", "STARTSWITH", "ENDSWITH":
		return token{keyword, upper, start}
	}
	return token{identifier, word, start}
}

// number reads a number. A whole one does not begin with 0: that is a number by itself.
func (l *lexer) number() token {
	start := l.at
	l.digits()
	fraction := l.peek(0) == '.'
	if fraction {
		l.at++
		l.digits()
	}
	if l.exponent() || fraction {
		return token{decimal, l.source[start:l.at], start}
	}
	number := l.source[start:l.at]
	if number[0] == '0' {
		l.at = start + 1
		return token{whole, "0", start}
	}
	if c := l.peek(0); c == 'l' || c == 'L' {
		l.at++
	}
	return token{whole, number, start}
}

func (l *lexer) digits() {
	for isDigit(l.peek(0)) {
		l.at++
	}
}

func (l *lexer) exponent() bool {
	if c := l.peek(0); c != 'e' && c != 'E' {
		return false
	}
	n := 1
	if c := l.peek(1); c == '+' || c == '-' {
		n = 2
	}
	if !isDigit(l.peek(n)) {
		return false
	}
	l.at += n
	l.digits()
	return true
}

// quoted reads a text. A quote within it is doubled.
func (l *lexer) quoted() (token, error) {
	start := l.at
	var meant strings.Builder
	for l.at++; l.at < len(l.source); l.at++ {
		c := l.source[l.at]
		if c == '\'' {
			if l.peek(1) != '\'' {
				l.at++
				return token{text, meant.String(), start}, nil
			}
			l.at++
		}
		meant.WriteByte(c)
	}
	return token{}, &SyntaxError{start, "a text has no end: add a quote"}
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}
