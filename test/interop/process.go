package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// waitDelay is how long a program that has been told to end, or its children, may keep the output.
const waitDelay = 5 * time.Second

// A command is one that runs in a process group of its own.
type command struct {
	args []string
	dir  string
	env  []string // in addition to that of this process
	log  io.Writer
}

// run runs the command to its end and returns what it has printed for the runner. All of its output
// goes to the log. When ctx ends, the command and its children are killed.
func (c command) run(ctx context.Context) ([]line, error) {
	lines := &listener{}
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(c.log, lines), c.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", c.args[0], err)
	}
	err := cmd.Wait()
	if killErr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
		err = errors.Join(err, fmt.Errorf("end what %s has left behind: %w", c.args[0], killErr))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return lines.spoken, err
}

// A listener takes the output of a program and notes each line that is for the runner, and when it
// came.
type listener struct {
	rest   []byte // of a line that is not yet whole
	spoken []line
}

// Write implements io.Writer.
func (l *listener) Write(p []byte) (int, error) {
	now := time.Now()
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		if text := strings.TrimRight(string(l.rest[:end]), "\r "); spoken(text) {
			l.spoken = append(l.spoken, line{text: text, at: now})
		}
		l.rest = l.rest[end+1:]
	}
}
