package operators_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/operators.md names each operator, and each has an Example.
func TestPage_NamesEachOperator(t *testing.T) {
	page, err := os.ReadFile("../docs/operators.md")
	require.NoError(t, err)
	var examples strings.Builder
	for _, name := range glob(t, "example*_test.go") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		examples.Write(text)
	}
	found := 0
	for _, name := range glob(t, "*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			found++
			require.True(t, strings.Contains(string(page), "`"+f.Name.Name+"`"), "%s is not in docs/operators.md", f.Name)
			require.True(t, strings.Contains(examples.String(), "func Example"+f.Name.Name+"()"), "%s has no Example", f.Name)
		}
	}
	require.Positive(t, found)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return names
}
