package flow_test

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

// What is an operator of this package itself, and not a short form of one of package operators, has a
// diagram, an Example and its place in docs/operators.md.
func TestPage_HasTheOperatorsOfThisPackage(t *testing.T) {
	page, err := os.ReadFile("../docs/operators.md")
	require.NoError(t, err)
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	docs := docsOfFunctions(t)
	for name, example := range map[string]string{
		"Broadcast": "Stream_Broadcast", "Optional": "Stream_Optional", "Split": "Stream_Split",
		"Partition": "Stream_Partition", "Merge": "Merge", "Async": "Stream_Async", "Through": "Stream_Through",
	} {
		require.Regexp(t, diagram, docs[name], name)
		require.Regexp(t, "(?m)^\\| .*`(flow\\.)?"+name+"`", string(page), name)
		require.Regexp(t, "(?m)^"+name+" .*--|^.{30,}"+name+" .*--", string(page), "a diagram of %s", name)
		require.Contains(t, string(examples), "func Example"+example+"()")
	}
}

// diagram is a line of one.
var diagram = regexp.MustCompile(`(?m)^\t.*--.*\|`)

// docsOfFunctions gives the documentation of functions and methods by name.
func docsOfFunctions(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	docs := make(map[string]string)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				docs[f.Name.Name] += f.Doc.Text()
			}
		}
	}
	return docs
}
