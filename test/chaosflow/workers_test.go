package chaosflow

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A crew is the workers of a run: processes that are there or not.
type crew struct {
	program string
	args    []string
	dir     string // of logs and journals
	members [workers]*worker
	kills   int
	frozen  int
}

// worker is a process.
type worker struct {
	cmd   *exec.Cmd
	input io.Closer     // its standard input, by whose end it drains
	done  chan struct{} // closed when it has ended
	err   error         // how; read after done
}

// buildWorker compiles the program of the workers.
func buildWorker(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "worker")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./worker").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// newCrew makes a crew of which nobody is there; who still is when the test ends is killed.
func newCrew(t *testing.T, program string, args ...string) *crew {
	t.Helper()
	c := &crew{program: program, args: args, dir: t.TempDir()}
	t.Cleanup(func() {
		for i, w := range c.members {
			if w == nil {
				continue
			}
			_ = w.cmd.Process.Kill()
			<-w.done
			t.Logf("the last words of worker %d:\n%s", i, c.lastWords(i))
		}
	})
	return c
}

// start starts a worker, with its log and its journal behind those of its forerunners.
func (c *crew) start(i int) error {
	log, err := os.OpenFile(c.log(i), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	journal := filepath.Join(c.dir, fmt.Sprintf("worker-%d.journal", i))
	cmd := exec.Command(c.program, append([]string{"-journal", journal}, c.args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start worker %d: %w", i, err)
	}
	w := &worker{cmd: cmd, input: input, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = cmd.Wait()
	}()
	c.members[i] = w
	return nil
}

// kill kills a worker with SIGKILL, and returns when it is gone.
func (c *crew) kill(i int) error {
	if err := c.alive(i); err != nil {
		return err
	}
	w := c.members[i]
	c.members[i] = nil
	c.kills++
	err := w.cmd.Process.Kill()
	<-w.done
	return err
}

// alive says that a worker has ended by itself, which none is to do.
func (c *crew) alive(i int) error {
	w := c.members[i]
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		c.members[i] = nil
		return fmt.Errorf("worker %d has ended by itself: %v\n%s", i, w.cmd.ProcessState, c.lastWords(i))
	default:
		return nil
	}
}

// drain has the workers finish what they have, and end.
func (c *crew) drain(t *testing.T) {
	t.Helper()
	for i, w := range c.members {
		if w == nil {
			continue
		}
		require.NoError(t, c.alive(i))
		require.NoError(t, w.input.Close())
	}
	for i, w := range c.members {
		if w == nil {
			continue
		}
		select {
		case <-w.done:
			require.NoError(t, w.err, "worker %d did not drain:\n%s", i, c.lastWords(i))
			c.members[i] = nil
		case <-time.After(time.Minute):
			require.FailNow(t, "a worker does not drain", "worker %d", i)
		}
	}
}

func (c *crew) log(i int) string { return filepath.Join(c.dir, fmt.Sprintf("worker-%d.log", i)) }

// lastWords is the end of what a worker and its forerunners have logged.
func (c *crew) lastWords(i int) string {
	const most = 4 << 10
	text, err := os.ReadFile(c.log(i))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
