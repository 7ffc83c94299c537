// Command cmd runs the client for long against the embedded broker; see package soak.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/rocketflow-io/rocketflow/test/soak"
)

func main() {
	duration := flag.Duration("duration", 10*time.Minute, "for how long to run")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the faults")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *duration, *seed)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, duration time.Duration, seed uint64) error {
	if _, err := fmt.Fprintf(w, "soak: %v, seed %d\n", duration, seed); err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	report, err := soak.Run(ctx, soak.Options{
		Duration: duration, Seed: seed,
		Log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if _, printErr := fmt.Fprintf(w, "soak: %+v\n", report); err != nil || printErr != nil {
		return errors.Join(err, printErr)
	}
	return goroutinesBack(before)
}

// goroutinesBack waits a moment for the number of goroutines to be what it was.
func goroutinesBack(before int) error {
	for range 50 {
		if runtime.NumGoroutine() <= before {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("soak: %d goroutines before, %d after", before, runtime.NumGoroutine())
}
