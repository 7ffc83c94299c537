package interop

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// words begin the lines that a program prints for the runner. All other lines are a client's logs.
var words = []string{
	"sent", "received", "acked", "postponed", "failed", "committed", "rolled-back", "checked", "recalled", "refused",
}

// A line is one that a program has printed for the runner.
type line struct {
	text string
	at   time.Time
}

// spoken tells whether a program means the runner by the line.
func spoken(text string) bool {
	word, _, found := strings.Cut(text, " ")
	return found && slices.Contains(words, word)
}

// check tells what is wrong with the lines of a program, in the order in which to look at it.
func (c Case) check(lines []line) []string {
	first := make(map[string]time.Time) // when each line came first
	place := make(map[string]int)
	var problems []string
	for i, l := range lines {
		_, again := first[l.text]
		switch {
		case !c.wants(l.text):
			problems = append(problems, fmt.Sprintf("unexpected %q", l.text))
		case again:
			problems = append(problems, fmt.Sprintf("%q came again", l.text))
		default:
			first[l.text], place[l.text] = l.at, i
		}
	}
	for _, row := range c.Rows {
		problems = append(problems, checkRow(row, place)...)
	}
	return append(problems, c.Pause.check(first)...)
}

// wants tells whether the line is one of the rows.
func (c Case) wants(text string) bool {
	return slices.ContainsFunc(c.Rows, func(row []string) bool { return slices.Contains(row, text) })
}

// checkRow tells which lines of the row are missing, and which have come before their predecessor.
func checkRow(row []string, place map[string]int) []string {
	var problems []string
	last := ""
	for _, text := range row {
		at, came := place[text]
		if !came {
			problems = append(problems, fmt.Sprintf("missing %q", text))
			continue
		}
		if last != "" && at < place[last] {
			problems = append(problems, fmt.Sprintf("%q came before %q", text, last))
		}
		last = text
	}
	return problems
}

// check tells if the pause was too short; a line that is missing is told of elsewhere.
func (p Pause) check(first map[string]time.Time) []string {
	from, came := first[p.From]
	to, followed := first[p.To]
	if passed := to.Sub(from); came && followed && passed < p.Least {
		return []string{fmt.Sprintf("%q came %v after %q: want at least %v", p.To, passed.Round(time.Millisecond), p.From, p.Least)}
	}
	return nil
}
