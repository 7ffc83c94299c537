package rocketmq

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is one virtual machine of the server, in a process group of its own.
type process struct {
	name string
	log  string // the file of its output
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// start starts a virtual machine with args. The process ends by kill, or with this process.
func start(name, dir, java string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".out"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) // a restart adds to it
	if err != nil {
		return nil, fmt.Errorf("rocketmq: start the %s: %w", name, err)
	}
	cmd := exec.Command(java, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = ownGroup()
	started := make(chan error)
	go func() {
		defer close(p.done)
		// The kernel kills the child when the thread that started it ends, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	err = errors.Join(<-started, out.Close())
	if err != nil {
		return nil, fmt.Errorf("rocketmq: start the %s: %w", name, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// ended returns how the process has ended, nil as long as it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
		if p.err == nil {
			return errors.New("exit status 0")
		}
		return p.err
	default:
		return nil
	}
}

// endTimeout bounds an orderly end, which takes seconds unless the machine has much else to do.
const endTimeout = 2 * time.Minute

// end asks the process to end, so that it saves what it has in memory, and kills it if it has not
// after a while.
func (p *process) end() error {
	if p.ended() != nil {
		return nil
	}
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("rocketmq: end the %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(endTimeout):
		return p.kill()
	}
}

// kill ends the process group at once and waits until it is gone. What the server would save in
// an orderly end goes with its folder.
func (p *process) kill() error {
	if p.ended() != nil {
		return nil // and its id may be another's by now
	}
	err := syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("rocketmq: end the %s: %w", p.name, err)
	}
	return nil
}

// tail returns the last lines of the process's output.
func (p *process) tail() string { return tailOf(p.log) }

// tailOf returns the last lines of a file, or why there are none.
func tailOf(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(lastLines(content, 15))
}
