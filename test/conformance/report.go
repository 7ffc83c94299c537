package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Report is the outcome of a run, as it is kept in a file.
type Report struct {
	Mode     string    `json:"mode"` // of the server: embedded, local or cluster
	Outcomes []Outcome `json:"outcomes"`
}

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("conformance: write the report %q: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("conformance: write the report: %w", err)
	}
	return nil
}

// ReadReport reads a report that WriteFile has written.
func ReadReport(path string) (r Report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, fmt.Errorf("conformance: read a report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(f)
	if err != nil {
		return Report{}, fmt.Errorf("conformance: read a report: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("conformance: read the report %q: %w", path, err)
	}
	return r, nil
}
