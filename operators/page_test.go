package operators_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
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
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			found++
			require.True(t, strings.Contains(string(page), "`"+f.Name.Name+"`"), "%s is not in docs/operators.md", f.Name)
			require.True(t, strings.Contains(examples.String(), "func Example"+f.Name.Name+"()"), "%s has no Example", f.Name)
			if returnsOperator(f) {
				require.Regexp(t, diagramOrRelative, f.Doc.Text(), "%s has no diagram", f.Name)
			}
		}
	}
	require.Positive(t, found)
}

// diagramOrRelative is a line of a diagram, or what says whose the promises are.
var diagramOrRelative = regexp.MustCompile(`(?m)^\t.*--.*\||^\w+ is \[\w+\]|Its promises are those of`)

// returnsOperator tells whether a function makes an operator.
func returnsOperator(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	index, ok := f.Type.Results.List[0].Type.(*ast.IndexListExpr)
	if !ok {
		return false
	}
	s, ok := index.X.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Operator"
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return names
}
