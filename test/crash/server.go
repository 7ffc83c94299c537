package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// The topics and groups. Those of messages in order have many queues, since one is blocked for as long
// as an answer that got lost is leased.
const (
	ordinary = "ordinary"
	ordered  = "ordered"
	endpoint = "127.0.0.1:8081" // as routes say, whatever the port is at present
)

func arguments(dir string) []string {
	return []string{
		"broker", "-dir", dir, "-v", "-port", "0", "-status", "", "-advertise", endpoint, "-auto-create=false",
		"-retain", "300", // so that what a broker finds does not grow with the run
		"-topic", ordinary + ":NORMAL:4", "-topic", ordered + ":FIFO:16",
		"-group", simpleGroup, "-group", pushGroup, "-group", fifoGroup + ":ordered", "-group", fifoSimpleGroup + ":ordered",
	}
}

// A server is a broker in a process of its own, which is there or not.
type server struct {
	options   Options
	kills     int
	snapshots map[string]bool // that were there after a kill
	cmd       *exec.Cmd
	hearing   sync.WaitGroup // what reads the process's log
	torn      int            // written while hearing
	last      []string       // likewise: its last lines

	mu    sync.Mutex // guards what follows
	addr  string
	ready chan struct{} // closed while there is an address
}

func newServer(o Options) *server {
	return &server{options: o, snapshots: make(map[string]bool), ready: make(chan struct{})}
}

// start starts the broker and returns when it can be reached.
func (s *server) start() error {
	s.cmd = exec.Command(s.options.Command, arguments(s.options.Dir)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	s.hearing.Go(func() { s.hear(log) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = s.cmd.Process.Kill() // it has ended, most likely
		s.hearing.Wait()
		return fmt.Errorf("the broker does not start: %w: %s", errors.Join(err, s.cmd.Wait()), strings.Join(s.last, "; "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = strings.TrimSpace(line)
	close(s.ready)
	return nil
}

// hear reads the log of the process.
func (s *server) hear(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "cut off") {
			s.torn++
		}
		s.last = append(s.last[max(0, len(s.last)-9):], lines.Text())
	}
}

// kill kills the broker with SIGKILL.
func (s *server) kill() error {
	s.kills++
	if err := s.finish(syscall.SIGKILL); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(s.options.Dir, "*.snap"))
	for _, name := range found {
		s.snapshots[name] = true
	}
	return err
}

// end lets the broker end by itself, if there is one.
func (s *server) end() error {
	if s.addr == "" { // it has not started, or was killed
		return nil
	}
	return s.finish(syscall.SIGTERM)
}

// finish ends the process by a signal. That it ends by SIGKILL is as it should be.
func (s *server) finish(by syscall.Signal) error {
	s.mu.Lock()
	s.addr, s.ready = "", make(chan struct{})
	s.mu.Unlock()
	if err := s.cmd.Process.Signal(by); err != nil {
		return fmt.Errorf("end the broker: %w", err)
	}
	s.hearing.Wait()
	err := s.cmd.Wait()
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if by == syscall.SIGKILL && ok && status.Signaled() && status.Signal() == by {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the broker has ended by itself: %w: %s", err, strings.Join(s.last, "; "))
	}
	return nil
}

// dial connects to the broker. While there is none it waits, so that those who come back need no
// second attempt.
func (s *server) dial(ctx context.Context, _ string) (net.Conn, error) {
	for {
		s.mu.Lock()
		addr, ready := s.addr, s.ready
		s.mu.Unlock()
		if addr != "" {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
