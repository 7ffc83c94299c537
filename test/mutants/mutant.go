package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Mutant is a defect.
type Mutant struct {
	Name   string // of its file, without the ending
	Group  string
	Defect string
	Test   Test
	patch  string   // the path of its file
	files  []string // that it changes
}

// A Test is what a mutant is to be killed by.
type Test struct {
	Module  string // its directory, "." for the root
	Package string // as "./sim"
	Name    string
	Flags   string
}

// String gives the test as a mutant names it.
func (t Test) String() string {
	text := t.Package + " " + t.Name
	if t.Module != "." {
		text = t.Module + ":" + text
	}
	return strings.TrimSpace(text + " " + t.Flags)
}

// isSimulation tells whether the test is to run on a seeded runtime, where each seed goes the same way again.
func (t Test) isSimulation() bool { return t.Module == "test" && t.Package == "./sim" }

// groups are the parts of the code that have mutants.
var groups = []string{"engine", "operators", "client", "broker", "state", "sinks"}

// Load reads all mutants of a directory, sorted by name. It fails with all that is wrong with the first
// that is not whole.
func Load(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("mutants: %s: %w", file, err)
		}
		m.Name = strings.TrimSuffix(filepath.Base(file), ".patch")
		if m.patch, err = filepath.Abs(file); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// parse reads what stands before a patch.
func parse(text string) (Mutant, error) {
	head, diff, ok := strings.Cut(text, "\n--- ")
	if !ok {
		return Mutant{}, fmt.Errorf("there is no patch: a line that begins with --- is missing")
	}
	var m Mutant
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "Group":
			m.Group = value
		case "Defect":
			m.Defect = value
		case "Killed-by":
			if m.Test, ok = parseTest(value); !ok {
				return Mutant{}, fmt.Errorf("killed by %q: name a package and a test", value)
			}
		}
	}
	for line := range strings.Lines(diff) {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "+++ b/"); ok && !slices.Contains(m.files, file) {
			m.files = append(m.files, file)
		}
	}
	switch {
	case !slices.Contains(groups, m.Group):
		return Mutant{}, fmt.Errorf("group %q: use one of %s", m.Group, strings.Join(groups, ", "))
	case m.Defect == "" || m.Test.Name == "":
		return Mutant{}, fmt.Errorf("it lacks Defect or Killed-by")
	}
	return m, nil
}

func parseTest(text string) (Test, bool) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return Test{}, false
	}
	t := Test{Module: ".", Package: fields[0], Name: fields[1], Flags: strings.Join(fields[2:], " ")}
	if module, pkg, ok := strings.Cut(fields[0], ":"); ok {
		t.Module, t.Package = module, pkg
	}
	return t, true
}
