package sql92_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/internal/sql92"
)

// properties of a message, of which x and s are a number and a word.
func properties(name string) (string, bool) {
	v, ok := map[string]string{
		"x": "5", "half": "1.5", "big": "3000000000", "s": "abc", "quoted": "it's", "yes": "True", "empty": "",
		"TAGS": "A", "y": "5.0", "$_1": "z", "negative": "-2", "nan": "NaN", "typed": "2.5d", "padded": " 7 ",
		"like": "1e3", "inf": "-Infinity", "goInf": "inf", "underscored": "1_000.0", "hex": "0x1p1",
		"nz": "-0.0", "pz": "0.0", "signs": "--5", "plus": "+3", "endless": "Infinity", "f": "f", "huge": "1e999",
	}[name]
	return v, ok
}

func TestParse_AcceptsAndEvaluatesAsTheServerDoes(t *testing.T) {
	for expression, want := range map[string]bool{
		// Constants and bare properties.
		"TRUE": true, "true": true, "FALSE": false, "NULL": false, "x": false, "yes": false, "NOT x": true, "NOT missing": false,

		// Equality.
		"x = 5": true, "x = 6": false, "x <> 6": true, "5 = x": true, "x = '5'": true, "x = '5.0'": false,
		"x = 5.0": true, "half = 1.5": true, "s = 'abc'": true, "s = 'ABC'": false, "S = 'abc'": false,
		"quoted = 'it''s'": true, "empty = ''": true, "yes = TRUE": true, "s = FALSE": true, "x = y": false,
		"big = 3000000000": true, "big = 3000000000L": true, "x = 5l": true, "1 = 1": true, "1 = 2": false,
		"1 = TRUE": false, "'a' = 'a'": true, "1 = 1.0": true,

		// What cannot be converted leaves nothing to be said, not even the opposite.
		"half = 1": false, "half <> 1": false, "NOT (half = 1)": false, "s <> 5": false, "s = 5 OR TRUE": false,
		"TRUE OR s = 5": true, "FALSE AND s = 5": false, "TRUE = yes": false, "big = 1": false, "big <> 1": false,

		// Order.
		"x > 4": true, "x > 5": false, "x >= 5": true, "x < 6": true, "x <= 4": false, "4 < x": true,
		"half > 1": false, "half > 1.2": true, "half > 1.": true, "x > .5": true, "x < 1e1": true, "x < 1E+1": true,
		"x > y": false, "x >= y": true, "x < s": false, "negative > -3": true, "negative < -1": true, "-x < 0": false,
		"+x > 4": true, "x > + 4": true, "big > 2147483648": true, "big > 1": false, "big > 1.5": true,
		"nan > 1.5": true, "nan = 1.5": false, "typed = 2.5": true, "padded = 7.0": true, "padded = 7": false,
		"like = 1000.0": true, "inf < -1.5": true, "goInf > 1.5": false, "underscored > 1.5": false, "hex = 2.0": true,
		"nz < pz": true, "pz < nz": false, "pz <= pz": true, "nan >= nan": true, "x < nan": true, "nan < x": false,
		"signs > 1.5": false, "plus > 1.5": true, "plus = 3": true, "endless > 1e300": true, "f > 1.5": false,
		"huge > 1e300": true, "s > x": false,

		// Missing properties.
		"missing = 5": false, "missing <> 5": false, "NOT (missing = 5)": false, "missing > 5": false,
		"missing IS NULL": true, "missing IS NOT NULL": false, "x IS NULL": false, "x IS NOT NULL": true,
		"empty IS NOT NULL": true, "5 = missing": false, "5 <> missing": true, "missing = gone": true,
		"missing = 5 OR TRUE": true, "missing = 5 AND FALSE": false, "NOT (missing = 5 AND FALSE)": true,
		"missing = 5 OR FALSE": false, "TAGS <> 'B'": true, "TAGS <> 'A'": false,

		// BETWEEN and IN.
		"x BETWEEN 5 AND 6": true, "x BETWEEN 6 AND 7": false, "x NOT BETWEEN 6 AND 7": true,
		"x NOT BETWEEN 5 AND 7": false, "half BETWEEN 1 AND 2": false, "half BETWEEN 1.0 AND 2.0": true,
		"missing NOT BETWEEN 1 AND 2": false, "x BETWEEN y AND half": false, "x between 5 and 5": true,
		"s IN ('abc', 'd')": true, "s IN ('d')": false, "s NOT IN ('d')": true, "s NOT IN ('abc')": false,
		"missing IN ('a')": false, "missing NOT IN ('a')": false, "(s) IN ('abc')": true, "x IN ('5')": true,

		// Parts of texts.
		"s CONTAINS 'b'": true, "s CONTAINS 'z'": false, "s NOT CONTAINS 'z'": true, "s STARTSWITH 'ab'": true,
		"s NOT STARTSWITH 'ab'": false, "s ENDSWITH 'bc'": true, "s NOT ENDSWITH 'ab'": true,
		"s CONTAINS ''": false, "s NOT CONTAINS ''": false, "missing CONTAINS 'a'": false,
		"missing NOT CONTAINS 'a'": false, "5 CONTAINS '5'": false, "NOT (missing CONTAINS 'a')": true,

		// Precedence.
		"TRUE OR FALSE AND FALSE": true, "(TRUE OR FALSE) AND FALSE": false, "NOT FALSE AND FALSE": false,
		"NOT x = 5": false, "x = 5 = TRUE": true, "x = 5 AND s = 'abc' AND TAGS = 'A'": true,
		"NOT NOT TRUE": true, "((x)) = ((5))": true, "x > 4 = TRUE": true, "x > 4 IS NOT NULL": true,

		// White space, comments, names.
		"\tx\n=\r\f5": true, "x /* five */ = 5": true, "x = -- five\n5": true, "/***/x=5": true, "$_1='z'": true,
		"x=5/* a * b */": true, "xIN = 5": false, "TRUE -- no end of the line": true, "TRUE --": true,
	} {
		for _, parse := range []func(string) (*sql92.Expression, error){sql92.Parse, sql92.ParseBeginning} {
			e, err := parse(expression)
			require.NoError(t, err, expression)
			require.Equal(t, want, e.Matches(properties), expression)
		}
	}
}

// To the server, what follows a condition does not matter, as long as its first word means something.
func TestParse_RefusesWhatFollowsAConditionUnlessTheBeginningIsAskedFor(t *testing.T) {
	for expression, want := range map[string]bool{
		"x LIKE 'a%'": false, "x + 1 > 3": false, "TRUE b c (": true, "TRUE LIKE !": true, "x = 5 5": true,
		"x = 007": false, "x > 007": true, "x = 5)": true, "x = 5LL": true, "x = 5 e": true, "TRUE - -": true,
	} {
		e, err := sql92.ParseBeginning(expression)
		require.NoError(t, err, expression)
		require.Equal(t, want, e.Matches(properties), expression)
		_, err = sql92.Parse(expression)
		require.ErrorContains(t, err, "does not belong to the condition", expression)
	}
}

func TestParse_RefusesWhatTheServerDoes(t *testing.T) {
	for expression, reason := range map[string]string{
		"":                                "at byte 0: the expression ends where a value is wanted",
		"x >":                             "at byte 3: the expression ends",
		"x > 'a'":                         "a text has no order",
		"'a' < x":                         "a text has no order",
		"x > TRUE":                        "a truth value has no order",
		"x > NULL":                        "a truth value has no order",
		"(x = 1) > 2":                     "a truth value has no order",
		"x = NULL":                        "NULL cannot be compared",
		"NULL <> x":                       "NULL cannot be compared",
		"TRUE = 1":                        "a truth value cannot be compared",
		"NULL = NULL":                     "NULL cannot be compared",
		"x IN (5)":                        "at byte 6: want a text in single quotes",
		"x IN ()":                         "want a text in single quotes",
		"x IN 'a'":                        "want (",
		"x IN ('a'":                       "want )",
		"5 IN ('a')":                      "only a property",
		"x BETWEEN 9 AND 1":               "the bounds are in the wrong order",
		"x BETWEEN 'a' AND 1":             "the bounds are in the wrong order",
		"x BETWEEN NULL AND 1":            "NULL is no bound",
		"x BETWEEN 'a' AND 'b'":           "a text has no order",
		"x NOT BETWEEN 1 AND 'b'":         "a text has no order",
		"x BETWEEN 1 OR 2":                "want AND",
		"x != 5":                          `at byte 2: "!" means nothing`,
		"x == 5":                          `want a value before "="`,
		"x.y = 5":                         `"." means nothing`,
		"x * 5 = 5":                       `"*" means nothing`,
		"5":                               "a condition is missing",
		"'a'":                             "a condition is missing",
		"-x":                              "a condition is missing",
		"NOT 5":                           "a condition is missing",
		"x = 5 AND 5":                     "a condition is missing",
		"5 OR x = 5":                      "a condition is missing",
		"x = 'a":                          "at byte 4: a text has no end",
		"x = 'a' 'b":                      "a text has no end",
		"(x = 5":                          "want )",
		"x NOT y":                         "after NOT",
		"x NOT":                           "after NOT",
		"x IS y":                          "want NULL",
		"x IS NOT 5":                      "want NULL",
		"x CONTAINS y":                    "want a text in single quotes",
		"x > 0.0":                         "the number 0.0 is out of range",
		"x > 1e-999":                      "is out of range",
		"x > 1e999":                       "is out of range",
		"x = 9223372036854775808":         "is out of range",
		"x = -9223372036854775808":        "is out of range",
		"x = 5 /* no end":                 `"/" means nothing`,
		"é = 5":                           `"é" means nothing`,
		"AND":                             `want a value before "AND"`,
		"+":                               "the expression ends",
		strings.Repeat("(", 1e6):          "nested too deeply",
		strings.Repeat("NOT ", 1e6):       "nested too deeply",
		"x" + strings.Repeat(" = 1", 1e6): "nested too deeply",
		"x" + strings.Repeat(" > 1", 1e6): "a truth value has no order",
		"x" + strings.Repeat(" CONTAINS 'a'", 1e6): "nested too deeply",
	} {
		_, err := sql92.Parse(expression)
		var fault *sql92.SyntaxError
		require.ErrorAs(t, err, &fault, "%.50s", expression)
		require.ErrorContains(t, err, reason, "%.50s", expression)
		require.LessOrEqual(t, fault.Offset, len(expression))
	}
}

func TestParse_TakesLongConditions(t *testing.T) {
	for _, word := range []string{" AND ", " OR "} {
		e, err := sql92.Parse("x = 5" + strings.Repeat(word+"x = 5", 1e5))
		require.NoError(t, err)
		require.True(t, e.Matches(properties))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"x = 5 AND s <> 'a''b' OR NOT (half BETWEEN -1.5e3 AND 2L)", "TAGS IN ('A', 'B') -- comment\n", "x IS NOT NULL",
		"/* c */ s NOT CONTAINS 'b' = TRUE", "nan > 1.5", "x > 0x10", "'", "((((",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		whole, wholeErr := sql92.Parse(source)
		e, err := sql92.ParseBeginning(source)
		if err != nil {
			var fault *sql92.SyntaxError
			require.ErrorAs(t, err, &fault)
			require.LessOrEqual(t, fault.Offset, len(source))
			require.Equal(t, err, wholeErr)
			return
		}
		matches := e.Matches(properties)
		require.Equal(t, matches, e.Matches(properties))
		if wholeErr == nil {
			require.Equal(t, matches, whole.Matches(properties))
		}
		if again, err := sql92.ParseBeginning(source + "\n)"); err == nil {
			require.Equal(t, matches, again.Matches(properties))
		}
	})
}
