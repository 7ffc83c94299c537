package conformance

import (
	"fmt"
	"slices"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func sqlRows() []Row {
	return []Row{
		selects("FL4", "SQL: equality converts a property by the literal, or says nothing at all", map[string]string{
			"x = 5": "five", "x = '5'": "five", "x <> 5": "minus", "x = 1.5": "half", "x <> 1.5": "big five minus",
			"x = 3000000000": "big", "s = 'it''s'": "quote", "s <> 'abc'": "half quote", "b = TRUE": "five", "b": "",
			"NOT b": "five", "NOT (x = 5)": "minus", "x = 5 OR s = 'abd'": "five", "s = 'abd' OR x = 5": "five half",
			"5 = x": "five", "TRUE = b": "", "x = 5 = TRUE": "five", "1 = 1": "big five half minus none quote word",
		}),
		selects("FL5", "SQL: comparison with a property that is missing is neither true nor false", map[string]string{
			"TAGS <> 'A'": "half", "x IS NULL": "none quote", "x IS NOT NULL": "big five half minus word",
			"NOT (y = 5)": "", "y = 5 OR x = '5'": "five", "y = z": "big five half minus none quote word",
			"'A' <> TAGS": "big half minus none quote word",
		}),
		selects("FL6", "SQL: order is that of numbers, whole ones if the literal is", map[string]string{
			"x > 3": "five", "x > 3.0": "big five", "x >= 5": "five", "x < 0": "minus", "x > -3": "five minus",
			"x BETWEEN 1 AND 5": "five", "x BETWEEN 1.0 AND 5.0": "five half", "x NOT BETWEEN 1 AND 4": "five minus",
			"x > 2147483648": "big", "-x < 0": "",
		}),
		selects("FL11", "SQL: parts of texts, and lists", map[string]string{
			"s CONTAINS 'b'": "five half", "s NOT CONTAINS 'b'": "quote", "s STARTSWITH 'ab'": "five half",
			"s ENDSWITH 'c'": "five", "s NOT ENDSWITH 'c'": "half quote", "s CONTAINS ''": "", "s NOT CONTAINS ''": "",
			"s IN ('abc', 'abd')": "five half", "s NOT IN ('abc')": "half quote", "x IN ('5', '-2')": "five minus",
			"x = /* a comment */ 5 and s in ('abc')": "five", "s CONTAINS 'b' AND TAGS = 'A' OR s = 'it''s'": "five quote",
		}),
		{"FL7", "SQL: what follows a condition and is no part of it", Either, func(e *Env) {
			requireSelected(e, map[string]string{"x = '5' -- comment": "five"})
			topic, group := e.Topic("NORMAL", 1), e.Group()
			code := e.Consumer(group).Receive(group, topic, where("x > 0 ORDER BY x")).Status.GetCode()
			if code == v2.Code_ILLEGAL_FILTER_EXPRESSION {
				e.Stop("illegal filter expression")
			}
			requireSelected(e, map[string]string{
				"s LIKE 'a%'": "", "x = '5' 5 (": "five", "x + 1 > 3": "", "x > 007": "five",
			})
			e.Saw("ignored")
		}},
		{"FL12", "SQL: what the system knows of a message is a property too", Equal, func(e *Env) {
			topic, group := e.Topic("FIFO", 1), e.Group()
			c := e.Consumer(group)
			m := e.Message(topic, "body", inGroup("g"), tagged("t"), keyed("a", "b"))
			c.Store(e.Message(topic, "other", inGroup("g")), m)
			e.Indexed(topic, 2)
			expression := fmt.Sprintf("UNIQ_KEY = '%s' AND TAGS = 't' AND KEYS = 'a b' AND __SHARDINGKEY = 'g' "+
				"AND PGROUP = '%s' AND CLUSTER = 'DefaultCluster' AND __BORNHOST = 'conformance' AND BORN_TIMESTAMP > 2147483648",
				idOf(m), topic)
			require.Equal(e, []string{"body"}, bodiesOf(c.Receive(group, topic, where(expression)).Messages))
		}},
	}
}

// where filters by an SQL expression.
func where(expression string) receiveOption {
	return func(r *receive) {
		r.FilterExpression = &v2.FilterExpression{Type: v2.FilterType_SQL, Expression: expression}
	}
}

// selects makes a row of requireSelected.
func selects(id, doc string, bodiesByExpression map[string]string) Row {
	return Row{id, doc, Equal, func(e *Env) { requireSelected(e, bodiesByExpression) }}
}

// requireSelected requires for each expression that a group of its own receives messages of these bodies,
// in alphabetical order, from a topic in which there are seven.
func requireSelected(e *Env, bodiesByExpression map[string]string) {
	topic, group := e.Topic("NORMAL", 1), e.Group()
	c := e.Consumer(group)
	c.Store(
		e.Message(topic, "five", property("x", "5"), property("s", "abc"), property("b", "true"), tagged("A")),
		e.Message(topic, "half", property("x", "1.5"), property("s", "abd"), tagged("B")),
		e.Message(topic, "word", property("x", "abc")),
		e.Message(topic, "big", property("x", "3000000000")),
		e.Message(topic, "minus", property("x", "-2")),
		e.Message(topic, "quote", property("s", "it's")),
		e.Message(topic, "none"),
	)
	e.Indexed(topic, 7)
	for expression, want := range bodiesByExpression {
		received := c.Receive(e.Group(), topic, where(expression))
		code := v2.Code_OK
		if want == "" {
			code = v2.Code_MESSAGE_NOT_FOUND
		}
		require.Equal(e, code, received.Status.GetCode(), "status for %q: %v", expression, received.Status)
		require.Equal(e, want, strings.Join(slices.Sorted(slices.Values(bodiesOf(received.Messages))), " "), "%q", expression)
	}
}

func sqlFaultRows() []Row {
	return []Row{
		faulty("RE21", "an SQL expression that breaks off", "a >"),
		faulty("FL8", "SQL: what the server does not know, and what cannot be compared",
			"x != 5", "x == 5", "x = NULL", "x IN (5)", "x BETWEEN 9 AND 1", "x > 'a'", "x NOT y", "x.y = 5", "5", "(x = 5", "*"),
		faulty("FL9", "SQL: a decimal zero is no literal", "x > 0.0"),
	}
}

// faulty reports the code by which all of the expressions are refused.
func faulty(id, doc string, expressions ...string) Row {
	return Row{id, doc, Either, func(e *Env) {
		topic, group := e.Topic("NORMAL", 1), e.Group()
		c := e.Consumer(group)
		for _, expression := range expressions {
			sawOne(e, c.Receive(group, topic, where(expression)).Status.GetCode(), map[v2.Code]string{
				v2.Code_ILLEGAL_FILTER_EXPRESSION: "illegal filter expression",
				v2.Code_INTERNAL_SERVER_ERROR:     "internal server error",
			})
		}
	}}
}
