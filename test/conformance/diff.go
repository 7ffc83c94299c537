package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Difference is a row that came out otherwise on the real server than on the embedded broker.
type Difference struct {
	ID       string
	Embedded string // what was seen, or the status
	Real     string
	Mode     string // of the real server
	Why      string // by the list of known differences; empty if it does not know this one
}

// String returns the difference as a line.
func (d Difference) String() string {
	why := d.Why
	if why == "" {
		why = "not in the list of known differences"
	}
	return fmt.Sprintf("%-5s embedded: %s; %s: %s; %s", d.ID, d.Embedded, d.Mode, d.Real, why)
}

// DiffFiles compares the reports in two files, by the list of known differences in a third. With quirks
// the embedded broker had those of the real server's mode, and only what no quirk gives may differ.
func DiffFiles(embedded, real, known string, quirks bool) ([]Difference, error) {
	ours, err := ReadReport(embedded)
	if err != nil {
		return nil, err
	}
	theirs, err := ReadReport(real)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(known)
	if err != nil {
		return nil, fmt.Errorf("conformance: read the list of known differences: %w", err)
	}
	all := ParseKnown(string(list))
	if quirks {
		all = slices.DeleteFunc(all, func(k Known) bool { return k.Quirk != "" })
	}
	return Diff(ours, theirs, all), nil
}

// Diff returns the rows that came out differently, in the order of the first report. A row that
// only one of the two has counts as one that differs.
func Diff(embedded, real Report, known []Known) []Difference {
	var differences []Difference
	seen := map[string]bool{}
	note := func(id string, ours, theirs string) {
		if ours == theirs {
			return
		}
		d := Difference{ID: id, Embedded: ours, Real: theirs, Mode: real.Mode}
		if i := slices.IndexFunc(known, func(k Known) bool { return k.covers(d) }); i >= 0 {
			d.Why = known[i].Why
		}
		differences = append(differences, d)
	}
	for _, o := range embedded.Outcomes {
		seen[o.ID] = true
		note(o.ID, o.result(), real.result(o.ID))
	}
	for _, o := range real.Outcomes {
		if !seen[o.ID] {
			note(o.ID, "absent", o.result())
		}
	}
	return differences
}

// anything, as what the embedded broker did, stands for whatever it did.
const anything = "anything"

// Known is a difference with its reason: a line of the list.
type Known struct {
	ID, Embedded, Real string
	Modes              []string // in which the real server is so
	Quirk              string   // with which the embedded broker is so too; none, if it cannot be
	Why                string
}

func (k Known) covers(d Difference) bool {
	ours := k.Embedded == d.Embedded || k.Embedded == anything
	return k.ID == d.ID && ours && k.Real == d.Real && slices.Contains(k.Modes, d.Mode) && k.Why != ""
}

// ParseKnown reads the lines of the tables in a Markdown text that have the form
//
//	| row, row | embedded | real (mode, mode) | quirk | why |
//
// and skips all other lines. Rows that differ alike may share a line, which says "anything" if they
// came out differently on the embedded broker.
func ParseKnown(text string) []Known {
	var known []Known
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		real, modes, ok := strings.Cut(strings.TrimSuffix(cells[2], ")"), " (")
		if !ok {
			continue
		}
		for id := range strings.SplitSeq(cells[0], ", ") {
			known = append(known, Known{
				ID: id, Embedded: cells[1], Real: real, Modes: strings.Split(modes, ", "), Quirk: strings.TrimPrefix(cells[3], "none"), Why: cells[4],
			})
		}
	}
	return known
}
