package mutants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// program says which program a test is in. It takes minutes to build one, and seconds to run a test.
func (t Test) program() Test { return Test{Module: t.Module, Package: t.Package} }

// TryAll tries mutants as [Lab.Try] does, and tells of each. Those whose tests are in one program are built
// into it together, as far as they change no more than what functions do. What a mutant needs that is not
// on this machine is told as [ErrLeftOut].
func (l *Lab) TryAll(ctx context.Context, all []Mutant, replays int, tell func(m Mutant, o Outcome, err error)) error {
	var programs []Test
	for _, m := range all {
		if p := m.Test.program(); !slices.Contains(programs, p) {
			programs = append(programs, p)
		}
	}
	for _, program := range programs {
		some := slices.DeleteFunc(slices.Clone(all), func(m Mutant) bool { return m.Test.program() != program })
		if err := l.tryTogether(ctx, program, some, replays, tell); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) tryTogether(ctx context.Context, program Test, all []Mutant, replays int, tell func(Mutant, Outcome, error)) error {
	if err := l.lacks(ctx, program); err != nil {
		for _, m := range all {
			tell(m, Outcome{}, err)
		}
		return nil
	}
	together, alone, err := l.plant(ctx, all)
	if err != nil {
		return err
	}
	if len(together) > 0 {
		err := l.build(ctx, program)
		blamed := l.blamed(program, err)
		if err := l.restore(); err != nil {
			return err
		}
		switch {
		case len(blamed) > 0: // the others are built without them
			for _, number := range blamed {
				m := together[number-1]
				tell(m, Outcome{}, fmt.Errorf("it is mutant %d: %w", number, err))
				all = slices.DeleteFunc(all, func(n Mutant) bool { return n.Name == m.Name })
			}
			return l.tryTogether(ctx, program, all, replays, tell)
		case err != nil:
			return fmt.Errorf("%v with %d mutants: %w", program, len(together), err)
		}
	}
	for number, m := range together {
		o, err := l.tryBuilt(ctx, m, number+1, replays)
		tell(m, o, err)
	}
	for _, m := range alone {
		o, err := l.Try(ctx, m, replays)
		tell(m, o, err)
	}
	return nil
}

// compileError finds where a program does not compile.
var compileError = regexp.MustCompile(`(?m)^(\S+\.go):([0-9]+):[0-9]+: `)

// blamed gives the numbers of the mutants for which what was planted does not compile.
func (l *Lab) blamed(program Test, err error) (numbers []int) {
	if err == nil {
		return nil
	}
	for _, found := range compileError.FindAllStringSubmatch(err.Error(), -1) {
		path, line := filepath.Join(program.Module, found[1]), found[2]
		if _, ok := l.planted[path]; !ok {
			continue
		}
		if number := l.copyAt(path, line); number > 0 && !slices.Contains(numbers, number) {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// copyAt gives the number of the mutant that a line of a planted file is of; 0 if it is of none.
func (l *Lab) copyAt(path, line string) int {
	text, err := os.ReadFile(filepath.Join(l.dir, path))
	if err != nil {
		return 0
	}
	number := 0
	for i, text := range strings.SplitAfter(string(text), "\n") {
		if found := copied.FindStringSubmatch(text); found != nil {
			number, _ = strconv.Atoi(found[1]) // they are digits
		}
		if strconv.Itoa(i+1) == line {
			return number
		}
	}
	return 0
}

// tryBuilt tries a mutant that is in the program that was built last.
func (l *Lab) tryBuilt(ctx context.Context, m Mutant, number, replays int) (Outcome, error) {
	if err := l.isHealthy(m.Test, func() (string, error) { return l.run(ctx, m.Test, 0) }); err != nil {
		return Outcome{}, fmt.Errorf("mutants: without the mutant: %w", err)
	}
	return l.observe(ctx, m, number, replays)
}

// plant changes the files of the lab so that they have mutants in them, of which none is planted until one
// is chosen by its number, from 1. It gives those, and the ones that need a build of their own.
func (l *Lab) plant(ctx context.Context, all []Mutant) (together, alone []Mutant, err error) {
	healthy := make(map[string][]byte)         // files, by path,
	mutated := make(map[string]map[int][]byte) // and as they are with mutants, by number
	spliced := make(map[string][]byte)
	for _, m := range all {
		number := len(together) + 1
		texts, err := l.mutate(ctx, m, healthy)
		if err != nil {
			return nil, nil, err
		}
		next := make(map[string][]byte)
		for path, text := range texts {
			with := maps.Clone(mutated[path])
			if with == nil {
				with = make(map[int][]byte)
			}
			with[number] = text
			if next[path], err = splice(healthy[path], with); err != nil {
				break
			}
		}
		switch {
		case errors.Is(err, errAlone):
			alone = append(alone, m)
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("mutants: %s: %w", m.Name, err)
		}
		together = append(together, m)
		maps.Copy(spliced, next)
		for path, text := range texts {
			if mutated[path] == nil {
				mutated[path] = make(map[int][]byte)
			}
			mutated[path][number] = text
		}
	}
	for path, text := range spliced {
		s, err := parseSource(text)
		if err != nil {
			return nil, nil, fmt.Errorf("mutants: %s with its mutants: %w", path, err)
		}
		l.planted[path] = healthy[path]
		err = errors.Join(
			os.WriteFile(filepath.Join(l.dir, path), text, 0o600),
			os.WriteFile(filepath.Join(l.dir, filepath.Dir(path), chooserFile), []byte(chooser(s.file.Name.Name)), 0o600))
		if err != nil {
			return nil, nil, err
		}
	}
	return together, alone, nil
}

// chooserFile is where the number of the planted mutant is.
const chooserFile = "planted_mutant.go"

// restore makes the files of the lab what they were before plant.
func (l *Lab) restore() error {
	var errs []error
	for path, text := range l.planted {
		errs = append(errs, os.WriteFile(filepath.Join(l.dir, path), text, 0o600))
		if err := os.Remove(filepath.Join(l.dir, filepath.Dir(path), chooserFile)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	clear(l.planted)
	return errors.Join(errs...)
}

// mutate gives the files that a mutant changes, as they are with it, and adds to healthy what they are
// without.
func (l *Lab) mutate(ctx context.Context, m Mutant, healthy map[string][]byte) (texts map[string][]byte, err error) {
	for _, path := range m.files {
		if healthy[path], err = os.ReadFile(filepath.Join(l.dir, path)); err != nil {
			return nil, err
		}
	}
	if err := l.apply(ctx, m); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.apply(ctx, m, "--reverse")) }()
	texts = make(map[string][]byte)
	for _, path := range m.files {
		if texts[path], err = os.ReadFile(filepath.Join(l.dir, path)); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// ErrLeftOut is that a mutant cannot be tried on this machine.
var ErrLeftOut = errors.New("mutants: it is left out")

// withPostgres runs a program with a PostgreSQL, from the directory of the module that needs one.
const withPostgres = "./with-postgres"

func (t Test) needsPostgres() bool { return t.Module == "state/postgres" }

// lacks says what a program needs that is not on this machine.
func (l *Lab) lacks(ctx context.Context, program Test) error {
	if !program.needsPostgres() {
		return nil
	}
	if out, err := run(ctx, filepath.Join(l.dir, program.Module), withPostgres, "true"); err != nil {
		if strings.Contains(out, "no PostgreSQL is here") {
			return fmt.Errorf("%w: %s", ErrLeftOut, strings.TrimSpace(out))
		}
		return err
	}
	return nil
}
