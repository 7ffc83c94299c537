package conformance

import "github.com/stretchr/testify/require"

func filterRows() []Row {
	return []Row{
		{"FL1", "tags: one, several, with spaces; a star or nothing is all", Equal, func(e *Env) {
			f := e.newFilter("A", "B", "C", "")
			f.requires(map[string][]string{
				"A": {"A"}, "A||B": {"A", "B"}, "  A ||  C ": {"A", "C"}, "*": {"", "A", "B", "C"}, "": {"", "A", "B", "C"},
			})
		}},
		{"FL2", "a star among tags is the tag of that name", Equal, func(e *Env) {
			e.newFilter("A", "B", "").requires(map[string][]string{"A || *": {"A"}})
		}},
		{"FL3", "tags of the same hash code are told apart", Equal, func(e *Env) {
			e.newFilter("Aa", "BB").requires(map[string][]string{"Aa": {"Aa"}, "BB": {"BB"}})
		}},
		{"FL10", "what a filter has passed over does not come to the group again", Equal, func(e *Env) {
			f, group := e.newFilter("A", "B"), e.Group()
			c := e.Consumer(group)
			require.Len(e, c.Receive(group, f.topic, matching("B")).Messages, 1)
			require.Empty(e, c.Receive(group, f.topic, matching("A")).Messages)
		}},
	}
}

// filter is a topic with a message for each of some tags.
type filter struct {
	e     *Env
	topic string
}

func (e *Env) newFilter(tags ...string) filter {
	f := filter{e: e, topic: e.Topic("NORMAL", 1)}
	for _, tag := range tags {
		m := e.Message(f.topic, "body")
		if tag != "" {
			m.SystemProperties.Tag = &tag
		}
		e.Client().Store(m)
	}
	e.Indexed(f.topic, int64(len(tags)))
	return f
}

// requires requires for each expression that a group of its own receives messages of these tags.
func (f filter) requires(tagsByExpression map[string][]string) {
	for expression, want := range tagsByExpression {
		group := f.e.Group()
		c := f.e.Consumer(group)
		var tags []string
		for {
			messages := c.Receive(group, f.topic, matching(expression)).Messages
			if len(messages) == 0 {
				break
			}
			for _, m := range messages {
				tags = append(tags, m.GetSystemProperties().GetTag())
			}
		}
		require.Equal(f.e, want, sorted(tags), "tags by %q", expression)
	}
}
