package client

import (
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A Filter selects messages of a topic, in the server. What does not match is not delivered to the
// group later either. The zero Filter selects all.
type Filter struct {
	kind       v2.FilterType
	expression string
}

// All selects every message.
func All() Filter { return Tag("*") }

// Tag selects messages by tag: one tag, or several as in "a || b". Both "*" and the empty expression
// select all, those without a tag included.
func Tag(expression string) Filter { return Filter{v2.FilterType_TAG, expression} }

// SQL selects messages by their properties with an expression of SQL92, such as
// "amount > 100 AND region = 'eu'". The server reads such expressions leniently: what follows a
// complete one is ignored, and a property that is missing or cannot be converted does not match.
func SQL(expression string) Filter { return Filter{v2.FilterType_SQL, expression} }

// String returns the expression.
func (f Filter) String() string { return f.proto().GetExpression() }

func (f Filter) proto() *v2.FilterExpression {
	if f.kind != v2.FilterType_SQL && f.expression == "" {
		return &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}
	}
	return &v2.FilterExpression{Type: f.kind, Expression: f.expression}
}

func (f Filter) check() error {
	if f.kind == v2.FilterType_SQL {
		if blank(f.expression) {
			return illegal(ErrIllegalFilter, "filter", "the SQL expression is empty: select all with All")
		}
		return nil
	}
	if f.expression != "" && blank(strings.ReplaceAll(f.expression, "||", "")) {
		return illegal(ErrIllegalFilter, "filter", "%q names no tag: select all with All", f.expression)
	}
	return nil
}
