package mutants_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/mutants"
)

// The code goes on changing: a mutant that does not fit any more proves nothing.
func TestMutants_FitTheCode(t *testing.T) {
	all, err := mutants.Load(".")
	require.NoError(t, err)
	lab, err := mutants.NewLab(t.Context(), filepath.Join("..", ".."))
	require.NoError(t, err)
	defer func() { require.NoError(t, lab.Close()) }()
	count := make(map[string]int)
	defects := make(map[string]bool)
	for _, m := range all {
		require.NoError(t, lab.Fits(t.Context(), m), m.Name)
		require.False(t, defects[m.Defect], m.Defect)
		defects[m.Defect] = true
		count[m.Group]++
	}
	require.GreaterOrEqual(t, len(all), 30)
	for _, group := range []string{"engine", "operators", "client", "broker", "state"} {
		require.GreaterOrEqual(t, count[group], 5, group)
	}
}

func TestLoad_RefusesWhatIsNotWhole(t *testing.T) {
	const patch = "\n--- a/x.go\n+++ b/x.go\n"
	for name, text := range map[string]string{
		"no patch":      "Group: engine\nDefect: d\nKilled-by: ./flow TestX\n",
		"unknown group": "Group: engines\nDefect: d\nKilled-by: ./flow TestX" + patch,
		"no defect":     "Group: engine\nKilled-by: ./flow TestX" + patch,
		"no test":       "Group: engine\nDefect: d\nKilled-by: ./flow" + patch,
		"nothing":       "Group: engine\nDefect: d" + patch,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "m.patch"), []byte(text), 0o600))
			_, err := mutants.Load(dir)
			require.Error(t, err)
		})
	}
}

// A lab that takes everything for killed would prove nothing.
func TestLab_TellsWhatIsKilledFromWhatSurvives(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	write("go.mod", "module example.com/sum\n\ngo 1.27\n")
	write("sum.go", "package sum\n\n// Sum adds.\nfunc Sum(a, b int) int {\n\treturn a + b\n}\n")
	write("sum_test.go", `package sum

import "testing"

func TestSum(t *testing.T) {
	if Sum(2, 2) != 4 {
		t.Error("not 4")
	}
}

func TestNothing(t *testing.T) { t.Error("always") }
`)
	git(t, root, "init", "-q")
	lab, err := mutants.NewLab(t.Context(), root)
	require.NoError(t, err)
	defer func() { require.NoError(t, lab.Close()) }()

	try := func(test, body string) (mutants.Outcome, error) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "m.patch"), []byte("Group: engine\nDefect: d\nKilled-by: ./ "+test+
			"\n--- a/sum.go\n+++ b/sum.go\n@@ -3,4 +3,4 @@\n // Sum adds.\n func Sum(a, b int) int {\n-\treturn a + b\n+\t"+body+"\n }\n"), 0o600))
		all, err := mutants.Load(dir)
		require.NoError(t, err)
		return lab.Try(t.Context(), all[0], 0)
	}
	o, err := try("TestSum", "return a - b")
	require.NoError(t, err)
	require.True(t, o.Killed)
	require.Contains(t, o.Sign, "not 4")
	o, err = try("TestSum", "return a * b")
	require.NoError(t, err)
	require.False(t, o.Killed)
	_, err = try("TestSum", "return a +")
	require.ErrorContains(t, err, "does not compile")
	_, err = try("TestSum", "panic(a)")
	require.NoError(t, err)
	_, err = try("TestNothing", "return a - b")
	require.ErrorContains(t, err, "without the mutant")
	_, err = try("TestAbsent", "return a - b")
	require.ErrorContains(t, err, "no such test")
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
