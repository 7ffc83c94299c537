package broker

import (
	"slices"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker/internal/sql92"
)

// A filter is the messages that one ReceiveMessage wants: all, those with one of some tags, or
// those that meet a condition.
type filter struct {
	all       bool
	tags      []string
	condition *sql92.Expression // nil for tags
}

// parseFilter reads the filter expression of a request.
func (q quirks) parseFilter(expr *v2.FilterExpression) (filter, error) {
	if err := checkFilter(expr); err != nil {
		return filter{}, err
	}
	if expr.GetType() != v2.FilterType_SQL {
		return parseTags(expr.GetExpression()), nil
	}
	parse := sql92.Parse
	if q[QuirkFilterEnd] {
		parse = sql92.ParseBeginning
	}
	condition, err := parse(expr.GetExpression())
	if err != nil {
		return filter{}, under(QuirkFilter,
			refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "parse the consumer's subscription failed: "+err.Error()))
	}
	return filter{condition: condition}, nil
}

// checkFilter refuses expressions that say nothing. It is all that the server checks of those in
// settings.
func checkFilter(expr *v2.FilterExpression) error {
	text := expr.GetExpression()
	switch {
	case expr.GetType() == v2.FilterType_SQL && text == "":
		return refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "Expression can't be null! SQL92")
	case expr.GetType() != v2.FilterType_SQL && text != "" && strings.ReplaceAll(text, "||", "") == "":
		return refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "subString split error")
	}
	return nil
}

// parseTags reads tags separated by "||". Nothing, and "*" alone, stand for all messages, also for
// those without a tag, which no other tags match.
func parseTags(text string) filter {
	if text == "" || text == "*" {
		return filter{all: true}
	}
	var f filter
	for tag := range strings.SplitSeq(text, "||") {
		if tag = strings.TrimSpace(tag); tag != "" {
			f.tags = append(f.tags, tag)
		}
	}
	return f
}

func (f *filter) matches(r record) bool {
	switch {
	case f.all:
		return true
	case f.condition != nil:
		return f.condition.Matches(func(name string) (string, bool) { return propertyOf(r, name) })
	}
	tag := r.tag()
	return tag != nil && slices.Contains(f.tags, string(tag))
}
