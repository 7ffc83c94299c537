// Command cmd runs the programs of the official clients:
//
//	go run ./interop/cmd [-language go,java] [-case fifo,delay] [-parallel N] [-out FOLDER]
//
// It runs them against the real server that the environment names (see rocketmq/cmd), or else
// against embedded brokers, prints a line for each case and a count at the end, and fails if a case
// does. A case is for a server that serves everybody, or for one that serves users alone: which of
// them run on a real server depends on how it was started.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/interop"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// parallel is how many programs run at once, unless it is said: they wait more than they work.
const parallel = 4

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// command is main with what it takes from the process handed in; it returns the exit code.
func command(ctx context.Context, args []string, out io.Writer) (_ int, err error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	languages := flags.String("language", "", "run only these languages, parted by commas")
	cases := flags.String("case", "", "run only these cases, parted by commas")
	count := flags.Int("parallel", parallel, "run so many programs at once")
	folder := flags.String("out", "../out/interop", "keep what is built, and the output of the programs, in this folder")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	runner := &interop.Runner{Parallel: *count, Timeout: interop.DefaultTimeout}
	if runner.Languages, err = chosen(interop.Languages(), *languages, func(l interop.Language) string { return l.Name }); err != nil {
		return 2, err
	}
	if runner.Cases, err = chosen(interop.Cases(), *cases, func(c interop.Case) string { return c.Name }); err != nil {
		return 2, err
	}
	if runner.Source, err = filepath.Abs("interop"); err != nil {
		return 2, err
	}
	if runner.Out, err = filepath.Abs(*folder); err != nil {
		return 2, err
	}
	if runner.Servers, err = servers(); err != nil {
		return 2, err
	}
	defer func() {
		for _, server := range runner.Servers {
			err = errors.Join(err, server.Close())
		}
	}()
	return run(ctx, runner, out)
}

// run runs the programs, prints the outcomes and returns the exit code.
func run(ctx context.Context, runner *interop.Runner, out io.Writer) (int, error) {
	var outcomes []interop.Outcome
	var printErr error
	runner.Report = func(o interop.Outcome) {
		outcomes = append(outcomes, o)
		_, err := fmt.Fprintln(out, o)
		printErr = errors.Join(printErr, err)
	}
	if err := errors.Join(runner.Run(ctx), printErr); err != nil {
		return 2, err
	}
	if _, err := fmt.Fprintf(out, "%s: %s\n", runner.Servers[0].Mode(), interop.Summary(outcomes)); err != nil {
		return 2, err
	}
	if slices.ContainsFunc(outcomes, func(o interop.Outcome) bool { return o.Verdict == interop.Fail }) {
		return 1, nil
	}
	return 0, nil
}

// servers returns the real server of the environment, or two embedded brokers, of which one serves
// everybody and the other users alone. They check a transaction soon after its time is over, so that
// nobody waits; that time is the default one, which is enough to end it in.
func servers() ([]target.Server, error) {
	real, err := target.FromEnvironment()
	if !errors.Is(err, target.ErrNoServer) {
		return []target.Server{real}, err
	}
	limits := broker.Limits{TransactionCheckInterval: 10 * time.Second}
	open, err := target.StartEmbedded(broker.Options{Limits: limits})
	if err != nil {
		return nil, err
	}
	guarded, err := target.StartEmbedded(broker.Options{Limits: limits, ACL: &broker.ACL{}})
	if err != nil {
		return nil, errors.Join(err, open.Close())
	}
	return []target.Server{open, guarded}, nil
}

// chosen returns those of all whose names are listed, parted by commas; all, if the list is empty.
func chosen[T any](all []T, list string, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var some []T
	for wanted := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(v T) bool { return name(v) == wanted })
		if i < 0 {
			return nil, fmt.Errorf("interop: there is no %q", wanted)
		}
		some = append(some, all[i])
	}
	return some, nil
}
