package interop

import "fmt"

// Verdict is how a program ended.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// An Outcome is that of one case in one language.
type Outcome struct {
	Language, Case string
	Verdict        Verdict
	Reason         string // why it failed or was skipped
}

// String returns "language case verdict reason".
func (o Outcome) String() string {
	text := fmt.Sprintf("%s %s %s", o.Language, o.Case, o.Verdict)
	if o.Reason != "" {
		text += " " + o.Reason
	}
	return text
}

// Summary counts the outcomes.
func Summary(outcomes []Outcome) string {
	count := map[Verdict]int{}
	for _, o := range outcomes {
		count[o.Verdict]++
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", count[Pass], count[Fail], count[Skip])
}
