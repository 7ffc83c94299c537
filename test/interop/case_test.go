package interop

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README is what the authors of programs go by, so what it says is what is checked.
func TestCases_AreAsTheContractSays(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	promised := contract(string(readme))
	for _, c := range Cases() {
		require.Equal(t, promised[c.Name], c.Rows, c.Name)
		delete(promised, c.Name)
	}
	require.Empty(t, promised, "described, but not run")
}

// contract returns the rows of the cases, which follow their headings.
func contract(readme string) map[string][][]string {
	promised := make(map[string][][]string)
	for section := range strings.SplitSeq(readme, "\n### ") {
		heading, text, _ := strings.Cut(section, "\n")
		_, block, found := strings.Cut(text, "\n```\n")
		if !found || strings.HasPrefix(heading, "#") {
			continue // before the first case
		}
		block, _, _ = strings.Cut(block, "\n```")
		var rows [][]string
		for row := range strings.SplitSeq(block, "\n") {
			rows = append(rows, strings.Split(row, " · "))
		}
		for name := range strings.SplitSeq(heading, ", ") {
			promised[name] = rows
		}
	}
	return promised
}

func TestCases_HaveLinesThatTheRunnerHears(t *testing.T) {
	for _, c := range Cases() {
		seen := make(map[string]bool)
		for _, row := range c.Rows {
			for _, text := range row {
				require.True(t, spoken(text), "%s: %s", c.Name, text)
				require.False(t, seen[text], "%s: %s is there twice", c.Name, text)
				seen[text] = true
			}
		}
		if c.Pause != (Pause{}) {
			require.True(t, seen[c.Pause.From] && seen[c.Pause.To], c.Name)
		}
	}
}

func TestLanguages_SkipOnlyCasesThatAreThere(t *testing.T) {
	names := make(map[string]bool)
	for _, c := range Cases() {
		names[c.Name] = true
	}
	for _, l := range Languages() {
		for name, reason := range l.Skip {
			require.True(t, names[name], "%s: %s", l.Name, name)
			require.NotEmpty(t, reason, "%s: %s", l.Name, name)
		}
	}
}

func TestCamel_TurnsTheNameOfACaseIntoThatOfAClass(t *testing.T) {
	require.Equal(t, "FilterTag", camel("filter-tag"))
	require.Equal(t, "Fifo", camel("fifo"))
}

func TestStored_CountsWhatIsLeftInTheTopic(t *testing.T) {
	counts := make(map[string]int)
	for _, c := range Cases() {
		counts[c.Name] = c.stored()
	}
	require.Equal(t, 3, counts["normal"])
	require.Equal(t, 2, counts["transaction"])
	require.Equal(t, 1, counts["recall"])
}
