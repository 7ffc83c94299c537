package sql92

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
)

// A valueKind is one of the Java types that the server computes with. How two values compare
// depends on it: "1.5" is less than 2.0, and cannot be compared with 2.
type valueKind int

const (
	null valueKind = iota
	boolean
	integer // of 32 bits
	long
	double
	str
)

// A value is a constant, a property of a message, or what was made of them.
type value struct {
	kind valueKind
	n    int64 // integer and long; 1 for a boolean that is true
	f    float64
	s    string
}

func truth(b bool) value {
	if b {
		return value{kind: boolean, n: 1}
	}
	return value{kind: boolean}
}

func (v value) isTrue() bool  { return v.kind == boolean && v.n == 1 }
func (v value) isFalse() bool { return v.kind == boolean && v.n == 0 }

// number gives what a whole number stands for; false if it is too large.
func number(digits string) (value, bool) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return value{}, false
	}
	if int64(int32(n)) == n {
		return value{kind: integer, n: n}, true
	}
	return value{kind: long, n: n}, true
}

// fraction gives what a decimal number stands for; false if it is too large or too small, which
// for the server includes 0.0.
func fraction(digits string) (value, bool) {
	f, err := strconv.ParseFloat(digits, 64)
	return value{kind: double, f: f}, err == nil && f != 0
}

// negate gives the negative of a number, and null of anything else.
func (v value) negate() value {
	switch v.kind {
	case integer, long:
		return value{kind: v.kind, n: -v.n}
	case double:
		return value{kind: double, f: -v.f}
	default:
		return value{}
	}
}

// compare compares two values that are not null. It gives false if that cannot be done, which
// leaves nothing to be said of the whole expression.
func compare(l, r value) (int, bool) {
	ok := true
	switch {
	case l.kind == r.kind:
	case l.kind == boolean && r.kind == str: // the server converts the wrong one, and stumbles
		return 0, false
	case l.kind == boolean, r.kind == boolean && l.kind != str:
		return -1, true
	case l.kind == str:
		l, ok = l.as(r.kind)
	case r.kind == str:
		r, ok = r.as(l.kind)
	case l.kind == double || r.kind == double:
		l, r = value{kind: double, f: l.float()}, value{kind: double, f: r.float()}
	}
	if !ok {
		return 0, false
	}
	switch l.kind {
	case double:
		return compareDoubles(l.f, r.f), true
	case str:
		return cmp.Compare(l.s, r.s), true
	default:
		return cmp.Compare(l.n, r.n), true
	}
}

// float is the number as a decimal one.
func (v value) float() float64 {
	if v.kind == double {
		return v.f
	}
	return float64(v.n)
}

// compareDoubles orders as Java does: -0 before 0, NaN last.
func compareDoubles(l, r float64) int {
	switch {
	case math.IsNaN(l) && math.IsNaN(r):
		return 0
	case math.IsNaN(l) || l > r:
		return 1
	case math.IsNaN(r) || l < r:
		return -1
	case math.Signbit(l) == math.Signbit(r):
		return 0
	case math.Signbit(l):
		return -1
	}
	return 1
}

// as converts a text, as the valueOf of the Java type does.
func (v value) as(kind valueKind) (value, bool) {
	switch kind {
	case boolean:
		return truth(strings.EqualFold(v.s, "true")), true
	case integer:
		n, err := strconv.ParseInt(v.s, 10, 32)
		return value{kind: integer, n: n}, err == nil
	case long:
		n, err := strconv.ParseInt(v.s, 10, 64)
		return value{kind: long, n: n}, err == nil
	case double:
		f, ok := parseDouble(v.s)
		return value{kind: double, f: f}, ok
	default:
		return value{}, false
	}
}

// parseDouble reads what Java's Double.valueOf does: NaN and Infinity in these words alone, and a
// letter for the type at the end.
func parseDouble(s string) (float64, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	unsigned := strings.TrimLeft(s, "+-")
	switch {
	case len(s)-len(unsigned) > 1 || unsigned == "":
		return 0, false
	case unsigned == "NaN":
		return math.NaN(), true
	case s == "-Infinity":
		return math.Inf(-1), true
	case unsigned == "Infinity":
		return math.Inf(1), true
	case !isDigit(unsigned[0]) && unsigned[0] != '.', strings.Contains(s, "_"):
		return 0, false
	}
	if isHex := strings.HasPrefix(strings.ToLower(unsigned), "0x"); !isHex || strings.ContainsAny(s, "pP") {
		if last := s[len(s)-1]; strings.IndexByte("fFdD", last) >= 0 {
			s = s[:len(s)-1]
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}
