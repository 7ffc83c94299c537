// Command cmd kills a broker many times under load; see package crash.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/rocketflow-io/rocketflow/test/crash"
)

func main() {
	kills := flag.Int("kills", 1000, "how often to kill the broker")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments of the kills, and of what is sent")
	dir := flag.String("dir", "", "an empty `directory` for the broker, which stays; a temporary one if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *dir, crash.Options{
		Kills: *kills, Seed: *seed, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Progress: func(r crash.Report) { fmt.Fprintf(os.Stderr, "crash: so far %v\n", r) },
	})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, dir string, o crash.Options) (err error) {
	home, err := os.MkdirTemp("", "crash")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	o.Dir, o.Command = dir, filepath.Join(home, "rocketflow")
	if dir == "" {
		o.Dir = filepath.Join(home, "broker")
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", o.Command, "github.com/rocketflow-io/rocketflow/cmd/rocketflow")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("crash: build the broker: %w\n%s", err, out)
	}
	begun := time.Now()
	report, err := crash.Run(ctx, o)
	_, printErr := fmt.Fprintf(w, "crash: seed %d, %v: %v\n", o.Seed, time.Since(begun).Round(time.Second), report)
	return errors.Join(err, printErr)
}
