// Package features holds docs/features.md to its word: the tests that it names exist, and it leaves out
// none of those that are named after a defect or a point of acceptance.
package features

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// page is the text of docs/features.md.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "features.md"))
	require.NoError(t, err)
	return string(text)
}

// reference is a link to a test, in the file that has it.
var reference = regexp.MustCompile("\\[`((?:Test|Fuzz|Example)\\w+)`\\]\\(\\.\\./([^)]+)\\)")

func TestFeatures_NameTestsThatExist(t *testing.T) {
	links := reference.FindAllStringSubmatch(page(t), -1)
	require.Greater(t, len(links), 150)
	for _, link := range links {
		name, path := link[1], filepath.Join(root, link[2])
		source, err := os.ReadFile(path)
		require.NoError(t, err, name)
		require.Regexp(t, `(?m)^func `+name+`\(`, string(source), "%s is not in %s", name, link[2])
	}
}

// named is a test named after a defect or a point of acceptance.
var named = regexp.MustCompile(`(?m)^func (Test(?:Defect[ABC]\d+|Acceptance\d\d)_\w+)\(`)

func TestFeatures_LeaveOutNoTestOfADefectOrPoint(t *testing.T) {
	text, found := page(t), 0
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "client"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range named.FindAllStringSubmatch(string(source), -1) {
			found++
			require.Contains(t, text, "[`"+match[1]+"`]")
		}
		return nil
	}))
	require.Greater(t, found, 55)
}

func TestFeatures_HaveATestOrAReasonInEachRow(t *testing.T) {
	rows := make(map[string][]string)
	for line := range strings.Lines(page(t)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) > 2 {
			rows[strings.TrimSpace(cells[0])] = cells
		}
	}
	var wanted []string
	for i := range 63 {
		wanted = append(wanted, strconv.Itoa(i+1))
	}
	for group, n := range map[string]int{"A": 8, "B": 20, "C": 11} {
		for i := range n {
			wanted = append(wanted, group+strconv.Itoa(i+1))
		}
	}
	for i := range 9 {
		wanted = append(wanted, "0"+strconv.Itoa(i+1))
	}
	for _, id := range wanted {
		cells := rows[id]
		require.NotEmpty(t, cells, id)
		last := cells[len(cells)-1]
		reason := strings.HasSuffix(strings.TrimSpace(last), ".")
		require.True(t, reason || reference.MatchString(last), "row %s has neither a test nor a reason", id)
	}
}
