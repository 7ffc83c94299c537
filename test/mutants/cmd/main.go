// Command mutants plants each mutant in turn, and fails if one survives its test.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
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
	tried, survived, seeds, unlike := 0, 0, 0, 0
	for _, m := range all {
		if !named.MatchString(m.Name) {
			continue
		}
		tried++
		o, err := lab.Try(ctx, m, replays)
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		word := "killed"
		if !o.Killed {
			word = "SURVIVED"
			survived++
		}
		_, _ = fmt.Fprintf(out, "%-9s %-9s %-34s %6v  %v: %s\n", word, m.Group, m.Name, o.Took.Round(100*time.Millisecond), m.Test, o.Sign)
		if o.Seed == "" {
			continue
		}
		seeds++
		word = ""
		if 100*o.Same < 95*replays {
			unlike++
			word = "UNLIKE"
		}
		_, _ = fmt.Fprintf(out, "%-9s seed %s breaks the same rule in %d of %d replays\n", word, o.Seed, o.Same, replays)
	}
	_, _ = fmt.Fprintf(out, "%d mutants, %d survived\n", tried, survived)
	_, _ = fmt.Fprintf(out, "%d seeds of the simulation failed, and %d broke the same rule in at least 95%% of %d replays each\n", seeds, seeds-unlike, replays)
	if survived > 0 || unlike > 0 {
		return fmt.Errorf("%d mutants survived their tests, and %d cannot be replayed", survived, unlike)
	}
	return nil
}
