package broker

import (
	"slices"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A filter is the messages that one ReceiveMessage wants, by their tags.
type filter struct {
	all  bool
	tags []string
}

// parseFilter reads the filter expression of a request: tags separated by "||". An empty one and
// "*" alone stand for all messages, also for those without a tag, which no other filter matches.
func parseFilter(expr *v2.FilterExpression) (filter, error) {
	text := expr.GetExpression()
	if expr.GetType() == v2.FilterType_SQL {
		if text == "" {
			return filter{}, refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "Expression can't be null! SQL92")
		}
		return filter{}, refuse(v2.Code_NOT_IMPLEMENTED, "SQL92 filters are not supported by this broker, filter by tags")
	}
	if text == "" || text == "*" {
		return filter{all: true}, nil
	}
	if strings.ReplaceAll(text, "||", "") == "" {
		return filter{}, refuse(v2.Code_ILLEGAL_FILTER_EXPRESSION, "subString split error")
	}
	var f filter
	for tag := range strings.SplitSeq(text, "||") {
		if tag = strings.TrimSpace(tag); tag != "" {
			f.tags = append(f.tags, tag)
		}
	}
	return f, nil
}

func (f *filter) matches(m *v2.Message) bool {
	if f.all {
		return true
	}
	tag := m.GetSystemProperties().Tag
	return tag != nil && slices.Contains(f.tags, *tag)
}
