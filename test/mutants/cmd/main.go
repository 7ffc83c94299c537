// Command mutants plants each mutant in turn, and fails if one survives its test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/test/mutants"
)

func main() {
	only := flag.String("only", "", "a regular expression: try mutants of such names alone")
	root := flag.String("root", "..", "where the code is")
	replays := flag.Int("replays", 100, "how often each seed of the simulation that fails is run again")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := tryAll(ctx, os.Stdout, *root, *only, *replays); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tryAll(ctx context.Context, out io.Writer, root, only string, replays int) (err error) {
	named, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := mutants.Load(filepath.Join(root, "test", "mutants"))
	if err != nil {
		return err
	}
	lab, err := mutants.NewLab(ctx, root)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := lab.Close(); err == nil {
			err = closeErr
		}
	}()
	all = slices.DeleteFunc(all, func(m mutants.Mutant) bool { return !named.MatchString(m.Name) })
	var failed []error
	survived, leftOut, seeds, unlike := 0, 0, 0, 0
	tell := func(m mutants.Mutant, o mutants.Outcome, err error) {
		word := "killed"
		switch {
		case errors.Is(err, mutants.ErrLeftOut):
			leftOut++
			_, _ = fmt.Fprintf(out, "%-9s %-9s %-34s         %v: %v\n", "LEFT OUT", m.Group, m.Name, m.Test, err)
			return
		case err != nil:
			failed = append(failed, fmt.Errorf("mutant %s: %w", m.Name, err))
			_, _ = fmt.Fprintf(out, "%-9s %-9s %-34s         %v: %v\n", "FAILED", m.Group, m.Name, m.Test, err)
			return
		case !o.Killed:
			word = "SURVIVED"
			survived++
		}
		_, _ = fmt.Fprintf(out, "%-9s %-9s %-34s %6v  %v: %s\n", word, m.Group, m.Name, o.Took.Round(100*time.Millisecond), m.Test, o.Sign)
		if o.Seed == "" {
			return
		}
		seeds++
		word = ""
		if 100*o.Same < 95*replays {
			unlike++
			word = "UNLIKE"
		}
		_, _ = fmt.Fprintf(out, "%-9s seed %s breaks the same rule in %d of %d replays\n", word, o.Seed, o.Same, replays)
	}
	if err := lab.TryAll(ctx, all, replays, tell); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d mutants, %d survived, %d could not be tried, %d were left out\n", len(all), survived, len(failed), leftOut)
	_, _ = fmt.Fprintf(out, "%d seeds of the simulation failed, and %d broke the same rule in at least 95%% of %d replays each\n", seeds, seeds-unlike, replays)
	if survived > 0 || unlike > 0 {
		failed = append(failed, fmt.Errorf("%d mutants survived their tests, and %d cannot be replayed", survived, unlike))
	}
	return errors.Join(failed...)
}
