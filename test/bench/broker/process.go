package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// A process is this program in another process, in the role that its first argument names.
type process struct {
	first string // the line it began with: of a server its endpoint
	child *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
}

// start starts a process and waits for its first line. Whoever starts it closes it.
func start(role string, arguments ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{child: exec.Command(self, append([]string{"-role", role}, arguments...)...)}
	p.child.Stderr = os.Stderr
	if p.in, err = p.child.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.child.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: role %s does not start: %w", role, err), p.close())
	}
	p.first = strings.TrimSpace(line)
	return p, nil
}

// footprint asks the process what it takes.
func (p *process) footprint() (f footprint, err error) {
	if _, err := fmt.Fprintln(p.in); err != nil {
		return f, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(line, &f)
}

// close lets the process end, and waits for that.
func (p *process) close() error { return errors.Join(p.in.Close(), p.child.Wait()) }
