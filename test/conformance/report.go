package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Report is the outcome of a run, as it is kept in a file.
type Report struct {
	Mode     string    `json:"mode"` // of the server: embedded, local or cluster
	Outcomes []Outcome `json:"outcomes"`
}

// Add adds outcomes, each in the place of one that is there of the same row.
func (r *Report) Add(outcomes ...Outcome) {
	for _, o := range outcomes {
		i := slices.IndexFunc(r.Outcomes, func(old Outcome) bool { return old.ID == o.ID })
		if i < 0 {
			r.Outcomes = append(r.Outcomes, o)
			continue
		}
		r.Outcomes[i] = o
	}
}

// WriteFile writes the report as JSON, and makes the folder if there is none.
func (r Report) WriteFile(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("conformance: write the report %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("conformance: write the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("conformance: write the report: %w", err)
	}
	return nil
}

// ReadReport reads a report that WriteFile has written.
func ReadReport(path string) (Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("conformance: read a report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("conformance: read the report %q: %w", path, err)
	}
	return r, nil
}

// result is what two reports are compared by.
func (o Outcome) result() string {
	if o.Status == Pass && o.Branch != "" {
		return o.Branch
	}
	return o.Status
}

func (r Report) result(id string) string {
	i := slices.IndexFunc(r.Outcomes, func(o Outcome) bool { return o.ID == id })
	if i < 0 {
		return "absent"
	}
	return r.Outcomes[i].result()
}

// Code is the exit code of a run: 0 unless a row failed.
func (r Report) Code() int {
	if slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return o.Status == Fail }) {
		return 1
	}
	return 0
}
