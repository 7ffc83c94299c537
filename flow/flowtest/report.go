package flowtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

const (
	// maxLines is how many records of an input a report shows, those that are not acked first of all.
	maxLines = 50
	// maxShown is how many characters of a value a report shows.
	maxShown = 100
)

// RequireAcked fails the test, and ends it, unless each record of the input was acknowledged. It shows
// what became of each.
func (in *Input[T]) RequireAcked(tb testing.TB) {
	tb.Helper()
	for _, o := range in.Outcomes() {
		if o.State != Acked {
			tb.Fatalf("flowtest: not all of %s is acked:\n%s", in.name, describeInputs([]reporter{in}))
		}
	}
}

// line is what a report shows of a record.
type line struct {
	name  string
	state State
	how   string // when, where, after how many attempts, why
	value string
}

func (in *Input[T]) report() []line {
	var all []line
	for i, o := range in.Outcomes() {
		value := fmt.Sprintf("%+v", o.Value)
		if in.show != nil {
			value = in.show(o.Value)
		}
		all = append(all, line{
			name: fmt.Sprintf("%s[%d]", in.name, i), state: o.State, value: shortened(value),
			how: how(o.Stage, o.Err, o.Deliveries),
		})
	}
	return all
}

// how tells what there is to know about a state.
func how(from string, err error, deliveries []Delivery) string {
	var facts []string
	if n := len(deliveries); n > 0 {
		if last := deliveries[n-1]; last.State != Held {
			facts = append(facts, "at "+last.Settled.String())
		}
		if n > 1 {
			facts = append(facts, fmt.Sprintf("delivery %d", n))
		}
	}
	if from != "" {
		facts = append(facts, fmt.Sprintf("in stage %q", from))
	}
	said := strings.Join(facts, ", ")
	if err != nil && !errors.Is(err, stage.ErrHandedBack) {
		said += ": " + shortened(err.Error())
	}
	return said
}

func shortened(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

// describeInputs tells what became of each record.
func describeInputs(inputs []reporter) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, in := range inputs {
		all := in.report()
		shown := chosen(all)
		for _, l := range shown {
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t%s\t%s\n", l.name, l.state, l.value, l.how) // a Builder does not fail
		}
		if left := len(all) - len(shown); left > 0 {
			_, _ = fmt.Fprintf(w, "\t… and %d more\n", left)
		}
	}
	_ = w.Flush() // likewise
	return b.String()
}

// chosen gives the lines to be shown: if they are many, what is not acked before what is.
func chosen(all []line) []line {
	if len(all) <= maxLines {
		return all
	}
	var first, rest []line
	for _, l := range all {
		if l.state == Acked {
			rest = append(rest, l)
		} else {
			first = append(first, l)
		}
	}
	return append(first, rest...)[:maxLines]
}

// describeHeld tells which stages hold which records.
func describeHeld(held []flow.Held) string {
	if len(held) == 0 {
		return "no stage holds a record: does its source end?"
	}
	var names []string
	by := make(map[string][]string)
	for _, h := range held {
		if by[h.Stage] == nil {
			names = append(names, h.Stage)
		}
		by[h.Stage] = append(by[h.Stage], nameOf(h.Info))
	}
	for i, name := range names {
		of := by[name]
		said := strings.Join(of[:min(len(of), 5)], ", ")
		if len(of) > 5 {
			said += fmt.Sprintf(" and %d more", len(of)-5)
		}
		names[i] = fmt.Sprintf("stage %q holds %s", name, said)
	}
	return strings.Join(names, "; ")
}

// nameOf names a record as well as its source can.
func nameOf(info stage.Info) string {
	switch {
	case info.Position != "":
		return info.Position
	case info.ID != "":
		return "record " + info.ID
	}
	return "a record"
}

func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "(unknown)"
	}
	return `"` + strings.Join(names, `", "`) + `"`
}
