// Command cmd runs the conformance rows and compares the reports of two runs:
//
//	go run ./conformance/cmd run [-rows RE,FI3] [-quirks local] [-out FILE] [-add]
//	go run ./conformance/cmd diff [-quirks] [-known FILE] EMBEDDED REAL
//
// Run runs them against the real server that the environment names (see rocketmq/cmd), or else
// against embedded brokers, with the quirks of a mode or some by name if it is asked for, prints a
// line for each row and a count at the end, and fails if a row does. The rows for a server that serves
// users alone run on such a server only; with -add their outcomes join those in the report. Diff fails
// on each row whose outcome differs between the two reports, unless the list of known differences gives
// it a reason; with -quirks, for a run with quirks, unless there is a quirk for it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/conformance"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

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
func command(ctx context.Context, args []string, out io.Writer) (int, error) {
	if len(args) > 0 {
		switch args[0] {
		case "run":
			return run(ctx, args[1:], out)
		case "diff":
			return diff(args[1:], out)
		}
	}
	return 2, errors.New("conformance: want run or diff, such as: run -out report.json")
}

func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	file := flags.String("out", "", "write the report to this file")
	add := flags.Bool("add", false, "keep what the report has of other rows, and count them too")
	only := flags.String("rows", "", "run only rows whose id is or begins with one of these, parted by commas")
	odd := flags.String("quirks", "", "what the embedded broker is to do as the real one: local, cluster, or quirks by name, parted by commas")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	var report conformance.Report
	if *add {
		var err error
		if report, err = conformance.ReadReport(*file); err != nil {
			return 2, err
		}
	}
	servers, err := serversFor(quirks(*odd))
	if err != nil {
		return 2, err
	}
	for _, server := range servers {
		outcomes, err := runOn(ctx, server, *only, out)
		report.Mode = server.Mode()
		report.Add(outcomes...)
		if err := errors.Join(err, server.Close()); err != nil {
			return 2, err
		}
	}
	if _, err := fmt.Fprintln(out, conformance.Summary(report.Outcomes)); err != nil {
		return 2, err
	}
	if *file != "" {
		if err := report.WriteFile(*file); err != nil {
			return 2, err
		}
	}
	return report.Code(), nil
}

// serversFor returns the real server of the environment, or two embedded brokers: one that serves
// everybody, and one that serves users alone.
func serversFor(odd []broker.Quirk) ([]target.Server, error) {
	server, err := target.FromEnvironment()
	if !errors.Is(err, target.ErrNoServer) {
		return []target.Server{server}, err
	}
	open, err := openBroker(odd)
	if err != nil {
		return nil, err
	}
	guarded, err := target.StartEmbedded(broker.Options{Quirks: odd, ACL: new(broker.ACL)})
	if err != nil {
		return nil, errors.Join(err, open.Close())
	}
	return []target.Server{open, guarded}, nil
}

// runOn runs the rows that are for the server and chosen, and prints a line for each.
func runOn(ctx context.Context, server target.Server, only string, out io.Writer) ([]conformance.Outcome, error) {
	var printErr error
	outcomes, err := conformance.Run(ctx, server, chosen(conformance.RowsFor(server), only), func(o conformance.Outcome) {
		_, err := fmt.Fprintln(out, o)
		printErr = errors.Join(printErr, err)
	})
	return outcomes, errors.Join(err, printErr)
}

// openBroker starts a broker that serves everybody, and whose directory goes with it.
func openBroker(quirks []broker.Quirk) (target.Server, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, fmt.Errorf("conformance: make the broker's directory: %w", err)
	}
	server, err := target.StartEmbedded(broker.Options{Quirks: quirks, Dir: dir, SyncEvery: time.Second})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return kept{server, dir}, nil
}

// kept is a server with a directory.
type kept struct {
	target.Server
	dir string
}

// Close ends the server and removes the directory.
func (k kept) Close() error { return errors.Join(k.Server.Close(), os.RemoveAll(k.dir)) }

// quirks returns those of a mode, or those of the names.
func quirks(text string) []broker.Quirk {
	switch text {
	case "":
		return nil
	case target.Local:
		return broker.LocalQuirks()
	case target.Cluster:
		return broker.ClusterQuirks()
	}
	var named []broker.Quirk
	for name := range strings.SplitSeq(text, ",") {
		named = append(named, broker.Quirk(strings.TrimSpace(name)))
	}
	return named
}

// chosen returns the rows whose ids begin with one of the prefixes; all, if there are none.
func chosen(all []conformance.Row, prefixes string) []conformance.Row {
	var rows []conformance.Row
	for _, row := range all {
		for prefix := range strings.SplitSeq(prefixes, ",") {
			if strings.HasPrefix(row.ID, prefix) {
				rows = append(rows, row)
				break
			}
		}
	}
	return rows
}

func diff(args []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("diff", flag.ContinueOnError)
	known := flags.String("known", "../docs/fidelity.md", "the list of known differences")
	odd := flags.Bool("quirks", false, "the embedded broker had the quirks of the real server's mode")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	if flags.NArg() != 2 {
		return 2, errors.New("conformance: diff: want two reports, that of the embedded broker first")
	}
	differences, err := conformance.DiffFiles(flags.Arg(0), flags.Arg(1), *known, *odd)
	if err != nil {
		return 2, err
	}
	code := 0
	for _, d := range differences {
		if _, err := fmt.Fprintln(out, d); err != nil {
			return 2, err
		}
		if d.Why == "" {
			code = 1
		}
	}
	return code, nil
}
