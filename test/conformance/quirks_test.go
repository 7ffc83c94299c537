package conformance

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// knownDifferences reads the project's list.
func knownDifferences(t *testing.T) []Known {
	t.Helper()
	text, err := os.ReadFile("../../docs/fidelity.md")
	require.NoError(t, err)
	known := ParseKnown(string(text))
	require.Equal(t, "row", known[0].ID) // the heading
	return known[1:]
}

// real gives what the real server does in a mode, if that differs from what was seen on the embedded
// broker and there is a quirk for it.
func real(known []Known, seen Outcome, mode string) string {
	for _, k := range known {
		if k.ID == seen.ID && slices.Contains(k.Modes, mode) && k.Quirk != "" {
			return k.Real
		}
	}
	return seen.result()
}

// With the quirks of a mode the broker does, row by row, what the real server does in that mode.
func TestConformance_HoldsTheBrokerWithQuirksToTheRealServer(t *testing.T) {
	known := knownDifferences(t)
	sane := runInMemory(t, broker.Options{}, Rows())
	for mode, quirks := range map[string][]broker.Quirk{
		target.Local: broker.LocalQuirks(), target.Cluster: broker.ClusterQuirks(),
	} {
		t.Run(mode, func(t *testing.T) {
			odd := Report{Mode: mode, Outcomes: runInMemory(t, broker.Options{Quirks: quirks}, Rows())}
			for i, o := range sane {
				got := odd.Outcomes[i]
				assert.Equal(t, real(known, o, mode), got.result(), "row %s: %s", o.ID, got.Reason)
			}
		})
	}
}

// Each quirk by itself makes the difference that the list says it makes.
func TestConformance_ShowsEachQuirkByItself(t *testing.T) {
	lines := map[broker.Quirk][]Known{}
	for _, k := range knownDifferences(t) {
		if k.Quirk != "" {
			lines[broker.Quirk(k.Quirk)] = append(lines[broker.Quirk(k.Quirk)], k)
		}
	}
	require.ElementsMatch(t, broker.Quirks(), slices.Collect(maps.Keys(lines)))
	for quirk, known := range lines {
		t.Run(string(quirk), func(t *testing.T) {
			ids := map[string]string{}
			for _, k := range known {
				ids[k.ID] = k.Real
			}
			rows := slices.DeleteFunc(Rows(), func(r Row) bool { return ids[r.ID] == "" })
			require.Len(t, rows, len(ids))
			for _, o := range runInMemory(t, broker.Options{Quirks: []broker.Quirk{quirk}}, rows) {
				assert.Equal(t, ids[o.ID], o.result(), "row %s: %s", o.ID, o.Reason)
			}
		})
	}
}

// What the description calls a defect has a row that accepts the sane behaviour too, and a quirk by which
// the broker does what the server does.
func TestRows_HaveAQuirkForEachDefectOfTheDescription(t *testing.T) {
	marks, quirks := map[string]Mark{}, map[string]bool{}
	for _, row := range Rows() {
		marks[row.ID] = row.Mark
	}
	for _, k := range knownDifferences(t) {
		quirks[k.ID] = quirks[k.ID] || k.Quirk != ""
	}
	for _, id := range []string{
		"TR6", "HB4", "SE7", "SE20", "SE21", "SE23", "SE30", "RE5", "RE6", "RE21", "RE22", "AC4", "AC9", "CI8", "CI9",
		"DL3", "DL5", "FI4", "FI11", "TX7", "TX8", "FL7", "FL9", "LI1",
	} {
		require.Equal(t, Either, marks[id], "row %s", id)
		require.True(t, quirks[id], "row %s", id)
	}
}

// A line of another form would be for people alone.
func TestParseKnown_TakesEachLineOfTheProjectsTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/fidelity.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ") {
			require.NotEmpty(t, ParseKnown(line), "five columns, the third with its modes in brackets: %s", line)
		}
	}
}
