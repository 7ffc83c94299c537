package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/test/seeded"
)

// A Lab is a copy of the code in which mutants live, one at a time.
type Lab struct {
	dir     string
	healthy map[Test]error    // of tests that were run without a mutant
	planted map[string][]byte // the files that have mutants in them, as they are without
	seeded  *seeded.Toolchain // nil until it is needed
}

// timeout is how long a test may take. One that takes longer has not failed: a mutant that hangs is
// killed by a test that notices.
const timeout = 20 * time.Minute

// NewLab copies what git knows of the code at root.
func NewLab(ctx context.Context, root string) (*Lab, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, healthy: make(map[Test]error), planted: make(map[string][]byte)}
	list, err := run(ctx, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Close removes the copy.
func (l *Lab) Close() error { return os.RemoveAll(l.dir) }

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// An Outcome is what became of a mutant.
type Outcome struct {
	Killed bool
	Took   time.Duration
	Sign   string // the line of the test's output that says why it failed
	Seed   string // of the simulation that failed; "" if it was no simulation
	Same   int    // of the replays of the seed, how many broke the same rule first
}

// Try plants a mutant and runs its test, and if a seed of the simulation fails, that so many times again.
// It fails if that says nothing: the mutant cannot be planted or does not compile, or its test fails
// without it.
func (l *Lab) Try(ctx context.Context, m Mutant, replays int) (o Outcome, err error) {
	err = l.isHealthy(m.Test, func() (string, error) {
		if err := l.build(ctx, m.Test.program()); err != nil {
			return "", err
		}
		return l.run(ctx, m.Test, 0)
	})
	if err != nil {
		return o, fmt.Errorf("mutants: without the mutant: %w", err)
	}
	if err := l.apply(ctx, m); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, l.apply(ctx, m, "--reverse")) }()
	if err := l.build(ctx, m.Test.program()); err != nil {
		return o, err
	}
	return l.observe(ctx, m, 0, replays)
}

// observe runs the test of a mutant in the program that was built last, in which the mutant has a number, or 0
// if it is always planted.
func (l *Lab) observe(ctx context.Context, m Mutant, number, replays int) (o Outcome, err error) {
	begun := time.Now()
	out, err := l.run(ctx, m.Test, number)
	o.Took = time.Since(begun)
	var failed *exec.ExitError
	switch {
	case err == nil:
		return o, nil
	case !errors.As(err, &failed):
		return o, err
	case !strings.Contains(out, "--- FAIL: "+m.Test.Name):
		return o, fmt.Errorf("mutants: %v did not fail, but ended with:\n%s", m.Test, last(out, 2000))
	}
	o.Killed, o.Sign = true, sign(out)
	found := broken.FindStringSubmatch(out)
	if found == nil || !m.Test.isSimulation() {
		return o, nil
	}
	o.Seed = found[1]
	again := m.Test
	again.Flags = "-test.v=false -seeds 1 -from " + o.Seed // all that happens is not asked for
	o.Same, err = l.replay(ctx, again, number, replays, found[2])
	return o, err
}

// replay runs a test so many times, some at once, and gives how often it broke a rule first.
func (l *Lab) replay(ctx context.Context, t Test, number, times int, rule string) (int, error) {
	var same atomic.Int64
	var runs sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, times)
	for i := range times {
		slots <- struct{}{}
		runs.Go(func() {
			defer func() { <-slots }()
			out, err := l.run(ctx, t, number)
			if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
				errs[i] = fmt.Errorf("mutants: a replay of %v: %w", t, err)
			}
			if found := broken.FindStringSubmatch(out); found != nil && found[2] == rule {
				same.Add(1)
			}
		})
	}
	runs.Wait()
	return int(same.Load()), errors.Join(errs...)
}

// broken finds the first rule that a seed of the simulation broke.
var broken = regexp.MustCompile(`seed ([0-9]+): ([A-Z][A-Za-z]+): `)

// Fits tells whether a mutant can be planted.
func (l *Lab) Fits(ctx context.Context, m Mutant) error { return l.apply(ctx, m, "--check") }

func (l *Lab) apply(ctx context.Context, m Mutant, flags ...string) error {
	_, err := run(ctx, l.dir, "git", append(append([]string{"apply", "--whitespace=nowarn"}, flags...), m.patch)...)
	return err
}

// isHealthy runs a test without any mutant, once.
func (l *Lab) isHealthy(t Test, test func() (string, error)) error {
	if err, known := l.healthy[t]; known {
		return err
	}
	out, err := test()
	switch {
	case err != nil:
		err = fmt.Errorf("%v: %w\n%s", t, err, last(out, 2000))
	case !strings.Contains(out, "--- PASS: "+t.Name):
		err = fmt.Errorf("%v: there is no such test", t)
	}
	l.healthy[t] = err
	return err
}

// build builds the program of tests. An error of it is no [*exec.ExitError].
func (l *Lab) build(ctx context.Context, program Test) error {
	args := []string{"-c", "-o", l.binary(), program.Package}
	build := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	if program.isSimulation() {
		if l.seeded == nil {
			var err error
			if l.seeded, err = seeded.New(ctx); err != nil {
				return err
			}
		}
		build = l.seeded.Command(ctx, "test", args...)
	}
	if out, err := output(build, filepath.Join(l.dir, program.Module)); err != nil {
		return fmt.Errorf("mutants: it does not compile: %s", out)
	}
	return nil
}

func (l *Lab) binary() string { return filepath.Join(l.dir, "mutant.test") }

// run runs a test of the program that was built last, with the mutant of a number.
func (l *Lab) run(ctx context.Context, t Test, number int) (string, error) {
	line := append([]string{l.binary(), "-test.v", "-test.run", "^" + t.Name + "$", "-test.timeout", timeout.String()}, strings.Fields(t.Flags)...)
	if t.needsPostgres() {
		with, err := filepath.Abs(filepath.Join(l.dir, t.Module, withPostgres))
		if err != nil {
			return "", err
		}
		line = append([]string{with}, line...)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", planted, number))
	return output(cmd, filepath.Join(l.dir, t.Module, t.Package))
}

// run runs a program, and gives what it says.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, name, args...), dir)
}

// output runs a program in a directory, and gives what it says.
func output(cmd *exec.Cmd, dir string) (string, error) {
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, last(out.String(), 500))
	}
	return out.String(), nil
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// sign finds the line that says why a test failed: what the test itself says, or an assertion.
func sign(out string) string {
	for _, mark := range []string{"_test.go:", "Error:"} {
		for line := range strings.Lines(out) {
			if text := strings.TrimSpace(line); strings.Contains(text, mark) {
				return last(text, 200)
			}
		}
	}
	return ""
}
