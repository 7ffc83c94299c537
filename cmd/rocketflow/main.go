// Command rocketflow runs what belongs to stream processing on Apache RocketMQ 5 and is of use by itself:
//
//	rocketflow broker [flags]
//
// "rocketflow broker -h" tells the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `rocketflow: stream processing on Apache RocketMQ 5

usage:

  rocketflow broker [flags]   run a broker that RocketMQ 5 clients take for a server
  rocketflow help             print this

"rocketflow broker -h" tells the flags.
`

// The codes that a command exits with.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// errUsage is the kind of an error that is the fault of the command line.
var errUsage = errors.New("see -h for the flags")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with what it takes from the process handed in; it returns the exit code. What it prints to
// out is for programs, what goes to errOut for people.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) == 0 {
		_, _ = io.WriteString(errOut, usage)
		return exitUsage
	}
	switch name, rest := args[0], args[1:]; name {
	case "broker":
		return exitCode(runBroker(ctx, rest, out, errOut), errOut)
	case "help", "-h", "-help", "--help":
		_, _ = io.WriteString(out, usage)
		return exitOK
	default:
		return exitCode(fmt.Errorf("rocketflow: there is no command %q: %w", name, errUsage), errOut)
	}
}

func exitCode(err error, errOut io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if _, printed := errors.AsType[*usageError](err); !printed {
		_, _ = fmt.Fprintln(errOut, err)
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}
