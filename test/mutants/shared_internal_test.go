package mutants

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sumGo = `package sum

import "strings"

const none = 0

type Pair[A, B any] struct {
	a A
	b B
}

// Swap swaps.
func (p *Pair[A, _]) Set(a A, _ ...string) { p.a = a }

func (Pair[A, B]) Twice(n int) (twice int) {
	twice = 2 * n
	return
}

func Map[T, O any](f func(T) O, all ...T) (out []O) {
	out = make([]O, none, len(all))
	for _, v := range all { // each
		out = append(out, f(v))
	}
	return out
}

func Upper(s string) string {
	return strings.ToUpper(s)
}
`

const sumTest = `package sum

import "testing"

func TestSum(t *testing.T) {
	p := Pair[int, string]{}
	p.Set(1, "x", "y")
	if p.a != 1 {
		t.Error("set")
	}
	if p.Twice(2) != 4 {
		t.Error("twice")
	}
	if out := Map(Upper, "a", "b"); len(out) != 2 || out[0] != "A" {
		t.Error("map", out)
	}
}
`

// What a mutant in a program of many does is what it does by itself.
func TestLab_BuildsMutantsTogether(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	write("go.mod", "module example.com/sum\n\ngo 1.27\n")
	write("sum.go", sumGo)
	write("sum_test.go", sumTest)
	git("init", "-q")
	git("add", ".")
	want := map[string]string{}
	for _, m := range []struct{ name, old, new, want string }{
		{"a method with nameless parameters", "{ p.a = a }", "{ _ = a }", "killed together: set"},
		{"a nameless receiver", "twice = 2 * n", "twice = 3 * n", "killed together: twice"},
		{"generic and variadic", "range all { // each", "range all[1:] {", "killed together: map"},
		{"the same function", "return out\n", "return out[:1]\n", "killed together: map"},
		{"equivalent", "2 * n", "n + n", "survived together"},
		{"other parameters", "Twice(n int)", "Twice(m int)", "fails together: does not compile"},
		{"a constant", "none = 0", "none = 1", "killed alone: map"},
		{"an import that is used no more", "strings.ToUpper(s)", "s", "fails alone: does not compile"},
	} {
		require.Equal(t, 1, strings.Count(sumGo, m.old), m.name)
		write("sum.go", strings.Replace(sumGo, m.old, m.new, 1))
		name := strings.ReplaceAll(m.name, " ", "-")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".patch"), []byte(
			"Group: engine\nDefect: "+m.name+"\nKilled-by: ./ TestSum\n\n"+git("diff")), 0o600))
		want[name] = m.want
	}
	write("sum.go", sumGo)
	all, err := Load(dir)
	require.NoError(t, err)
	lab, err := NewLab(t.Context(), root)
	require.NoError(t, err)
	defer func() { require.NoError(t, lab.Close()) }()

	got := map[string]string{}
	alone := map[string]bool{}
	_, ones, err := lab.plant(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, lab.restore())
	for _, m := range ones {
		alone[m.Name] = true
	}
	require.NoError(t, lab.TryAll(t.Context(), all, 0, func(m Mutant, o Outcome, err error) {
		how := map[bool]string{true: "alone", false: "together"}[alone[m.Name]]
		switch {
		case err != nil:
			require.ErrorContains(t, err, "does not compile")
			got[m.Name] = fmt.Sprintf("fails %s: does not compile", how)
		case o.Killed:
			sign := strings.Fields(o.Sign)
			got[m.Name] = fmt.Sprintf("killed %s: %s", how, sign[1])
		default:
			got[m.Name] = "survived " + how
		}
	}))
	require.Equal(t, want, got)
	require.Equal(t, sumGo, string(read(t, filepath.Join(lab.dir, "sum.go"))))
}

// Tests of PostgreSQL run with one, and are left out where there is none.
func TestLab_LeavesOutWhatThisMachineCannotTry(t *testing.T) {
	try := func(withPostgres string) (o Outcome, err error) {
		root, dir := t.TempDir(), t.TempDir()
		module := filepath.Join(root, "state", "postgres")
		require.NoError(t, os.MkdirAll(module, 0o700))
		for name, text := range map[string]string{
			"go.mod": "module example.com/sum\n\ngo 1.27\n", "sum.go": "package sum\n\nfunc Sum() int {\n\treturn 4\n}\n",
			"sum_test.go": "package sum\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\n" +
				"func TestSum(t *testing.T) {\n\tif os.Getenv(\"POSTGRES\") != \"here\" {\n\t\tt.Fatal(\"none\")\n\t}\n\tif Sum() != 4 {\n\t\tt.Error(\"not 4\")\n\t}\n}\n",
			"with-postgres": "#!/bin/sh\n" + withPostgres + "\n",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(module, name), []byte(text), 0o700))
		}
		require.NoError(t, exec.CommandContext(t.Context(), "git", "init", "-q", root).Run())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "m.patch"), []byte("Group: state\nDefect: d\nKilled-by: state/postgres:. TestSum\n"+
			"\n--- a/state/postgres/sum.go\n+++ b/state/postgres/sum.go\n@@ -3,3 +3,3 @@\n func Sum() int {\n-\treturn 4\n+\treturn 5\n }\n"), 0o600))
		all, err := Load(dir)
		require.NoError(t, err)
		lab, err := NewLab(t.Context(), root)
		require.NoError(t, err)
		defer func() { require.NoError(t, lab.Close()) }()
		told := 0
		require.NoError(t, lab.TryAll(t.Context(), all, 0, func(_ Mutant, outcome Outcome, why error) { told++; o, err = outcome, why }))
		require.Equal(t, 1, told)
		return o, err
	}
	o, err := try(`POSTGRES=here "$@"`)
	require.NoError(t, err)
	require.True(t, o.Killed)
	require.Contains(t, o.Sign, "not 4")
	_, err = try("echo with-postgres: no PostgreSQL is here >&2; exit 1")
	require.ErrorIs(t, err, ErrLeftOut)
	require.ErrorContains(t, err, "no PostgreSQL is here")
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}
