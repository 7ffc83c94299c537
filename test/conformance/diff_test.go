package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiff_ListsRowsThatCameOutDifferently(t *testing.T) {
	embedded := Report{Mode: "embedded", Outcomes: []Outcome{
		{ID: "A", Status: Pass},
		{ID: "B", Status: Pass, Branch: "sane"},
		{ID: "C", Status: Pass, Branch: "sane"},
		{ID: "D", Status: Pass, Branch: "sane"},
		{ID: "E", Status: Fail, Reason: "because"},
		{ID: "F", Status: Pass},
		{ID: "H", Status: Pass, Branch: "sane"},
	}}
	real := Report{Mode: "local", Outcomes: []Outcome{
		{ID: "A", Status: Pass},
		{ID: "B", Status: Pass, Branch: "odd"},
		{ID: "C", Status: Pass, Branch: "odder"},
		{ID: "D", Status: Pass, Branch: "odd"},
		{ID: "E", Status: Pass},
		{ID: "G", Status: Pass},
		{ID: "H", Status: Pass, Branch: "odd"},
	}}
	known := []Known{
		{ID: "B", Embedded: "sane", Real: "odd", Modes: []string{"local", "cluster"}, Why: "a reason"},
		{ID: "C", Embedded: "sane", Real: "odd", Modes: []string{"local"}, Why: "of another outcome"},
		{ID: "D", Embedded: "sane", Real: "odd", Modes: []string{"cluster"}, Why: "of another mode"},
		{ID: "H", Embedded: "anything", Real: "odd", Modes: []string{"local"}, Why: "of all"},
	}
	require.Equal(t, []Difference{
		{ID: "B", Embedded: "sane", Real: "odd", Mode: "local", Why: "a reason"},
		{ID: "C", Embedded: "sane", Real: "odder", Mode: "local"},
		{ID: "D", Embedded: "sane", Real: "odd", Mode: "local"},
		{ID: "E", Embedded: "fail", Real: "pass", Mode: "local"},
		{ID: "F", Embedded: "pass", Real: "absent", Mode: "local"},
		{ID: "H", Embedded: "sane", Real: "odd", Mode: "local", Why: "of all"},
		{ID: "G", Embedded: "absent", Real: "pass", Mode: "local"},
	}, Diff(embedded, real, known))
}

func TestParseKnown_ReadsTheTableAlone(t *testing.T) {
	text := "# Title\n\n| row | embedded | real (mode) | quirk | why |\n|---|---|---|---|---|\n" +
		"| SE7, SE8 | one key | two keys (local, cluster) | split-keys | Keys are one text (as stored). |\n\na | b\n"
	for _, id := range []string{"SE7", "SE8"} {
		require.Contains(t, ParseKnown(text), Known{
			ID: id, Embedded: "one key", Real: "two keys", Modes: []string{"local", "cluster"}, Quirk: "split-keys", Why: "Keys are one text (as stored).",
		})
	}
}

// The list is prose for people and data for Diff; a row that was renamed would rot in it.
func TestParseKnown_FindsARowForEachLineOfTheProjectsList(t *testing.T) {
	text, err := os.ReadFile("../../docs/fidelity.md")
	require.NoError(t, err)
	ids := map[string]bool{"row": true} // the heading
	for _, row := range Rows() {
		ids[row.ID] = true
	}
	known := ParseKnown(string(text))
	require.NotEmpty(t, known)
	for _, k := range known {
		require.True(t, ids[k.ID], "row %q of docs/fidelity.md", k.ID)
	}
}

func TestReport_IsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	report := Report{Mode: "local", Outcomes: []Outcome{{ID: "A", Status: Pass, Branch: "b"}, {ID: "B", Status: Fail, Reason: "r"}}}
	require.NoError(t, report.WriteFile(path))
	read, err := ReadReport(path)
	require.NoError(t, err)
	require.Equal(t, report, read)
	require.Equal(t, 1, read.Code())
	require.Equal(t, "1 passed, 1 failed, 0 skipped", Summary(read.Outcomes))
}
