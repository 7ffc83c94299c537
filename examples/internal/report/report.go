// Package report shows how a run goes and what it has come to.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/rocketflow-io/rocketflow/examples/internal/check"
)

// Print prints the result as a table and, if asked to, as JSON on the last line.
func Print(w io.Writer, r check.Result, name func(carrier string) string, asJSON bool) error {
	err := Table(w, r, name)
	if asJSON {
		err = errors.Join(err, JSON(w, r))
	}
	return err
}

// Table prints the result for people: the carriers, most flights first, and then the counts. Name
// gives the name of a carrier.
func Table(w io.Writer, r check.Result, name func(carrier string) string) error {
	var text bytes.Buffer
	text.WriteString("carrier\tflights\tdelay in minutes\t\n")
	for _, code := range byFlights(r) {
		c := r.Carriers[code]
		fmt.Fprintf(&text, "%s\t%s\t%.3f\t  %s\n", code, Thousands(c.Flights), c.Average(), name(code))
	}
	text.WriteString("\n")
	for _, line := range lines(r) {
		fmt.Fprintf(&text, "%s\t%s\t\n", line.what, line.n)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, err := t.Write(text.Bytes())
	return errors.Join(err, t.Flush())
}

func byFlights(r check.Result) []string {
	codes := slices.Sorted(maps.Keys(r.Carriers))
	slices.SortStableFunc(codes, func(a, b string) int {
		return r.Carriers[b].Flights - r.Carriers[a].Flights
	})
	return codes
}

type line struct{ what, n string }

func lines(r check.Result) []line {
	all := []line{
		{"read", Thousands(r.Read)},
		{"dropped", Thousands(r.Dropped)},
		{"with arrival delay", Thousands(r.Arrived)},
		{"late", Thousands(r.Late)},
		{"written", Thousands(r.Written)},
		{"acked", Thousands(r.Acked)},
		{"duplicates", Thousands(r.Duplicates)},
		{"backlog", Thousands(r.Backlog)},
	}
	if dead := r.Rejected + r.Dead; dead > 0 {
		all = slices.Insert(all, 1, line{"dead letters", Thousands(dead)})
	}
	return all
}

// Thousands writes a count with commas; unknown if it is not known.
func Thousands(n int) string {
	if n == check.Unknown {
		return "unknown"
	}
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// summary is the result as JSON.
type summary struct {
	Read             int                `json:"read"`
	WithArrivalDelay int                `json:"with_arrival_delay"`
	Late             int                `json:"late"`
	Acked            int                `json:"acked"`
	Duplicates       int                `json:"duplicates"`
	DeadLetters      int                `json:"dead_letters,omitempty"`
	Carriers         map[string]carrier `json:"carriers"`
}

type carrier struct {
	Flights      int     `json:"flights"`
	AverageDelay float64 `json:"average_delay"`
}

// JSON prints the result for programs: one object on one line.
func JSON(w io.Writer, r check.Result) error {
	s := summary{
		Read: r.Read, WithArrivalDelay: r.Arrived, Late: r.Late, Acked: r.Acked,
		Duplicates: r.Duplicates, DeadLetters: r.Rejected + r.Dead,
		Carriers: make(map[string]carrier, len(r.Carriers)),
	}
	for code, c := range r.Carriers {
		s.Carriers[code] = carrier{Flights: c.Flights, AverageDelay: c.Average()}
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
