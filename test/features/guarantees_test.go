package features

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each promise of docs/guarantees.md names a test, and each of them exists.
func TestGuarantees_NameTestsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	require.NoError(t, err)
	rows, before := 0, ""
	for line := range strings.Lines(string(text)) {
		head := strings.HasPrefix(line, "| promise") || strings.HasPrefix(line, "| | rule")
		if strings.HasPrefix(line, "| ") && !head {
			rows++
			require.Regexp(t, reference, line)
			require.True(t, strings.HasPrefix(before, "|"), "a row without a table: %s", line)
		}
		before = line
	}
	require.Greater(t, rows, 20)
	for _, link := range reference.FindAllStringSubmatch(string(text), -1) {
		name, path := link[1], filepath.Join(root, link[2])
		source, err := os.ReadFile(path)
		require.NoError(t, err, name)
		require.Regexp(t, `(?m)^func `+name+`\(`, string(source), "%s is not in %s", name, link[2])
	}
	for rule := range 9 {
		require.Contains(t, string(text), "\n| "+strconv.Itoa(rule+1)+" | ")
	}
}
