// Command seeded is the go command with a runtime that leaves nothing to chance: "test ./sim" builds and
// runs the tests of a package on it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/rocketflow-io/rocketflow/test/seeded"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("seeded: name a subcommand of go that builds, such as test, and its arguments")
	}
	t, err := seeded.New(ctx)
	if err != nil {
		return err
	}
	cmd := t.Command(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
