package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A server is what the competitors run against.
type server struct {
	mode, endpoint string
	prefix         string
	names          int
	real           target.Server // nil if it is embedded, and so creates what it is asked for
	stop           func() error
}

func startServer(embedded bool) (*server, error) {
	s := &server{prefix: target.Prefix()}
	if embedded {
		s.mode = target.Embedded
		return s, s.startEmbedded()
	}
	real, err := target.FromEnvironment()
	if err != nil {
		return nil, fmt.Errorf("%w: start one with test/rocketmq/cmd, or measure with -embedded", err)
	}
	s.mode, s.endpoint, s.real, s.stop = real.Mode(), real.Endpoint(), real, real.Close
	return s, nil
}

// startEmbedded starts a broker in a process of its own, as a real one has: what it does to the memory
// is not to slow the competitors.
func (s *server) startEmbedded() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "-serve")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	s.stop = func() error { return errors.Join(in.Close(), child.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("bench: the embedded broker does not start: %w", err), s.stop())
	}
	s.endpoint = strings.TrimSpace(line)
	return nil
}

// serveEmbedded runs a broker until the input ends.
func serveEmbedded(in io.Reader, out io.Writer) (err error) {
	b, err := broker.Start(broker.Options{AutoCreate: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := fmt.Fprintln(out, b.Endpoint()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func (s *server) close() error { return s.stop() }

func (s *server) name(kind string) string {
	s.names++
	return fmt.Sprintf("%s-%s-%d", s.prefix, kind, s.names)
}

// topic returns the name of a new topic.
func (s *server) topic(ctx context.Context) (string, error) {
	name := s.name("topic")
	if s.real == nil {
		return name, nil
	}
	return name, s.real.CreateTopic(ctx, target.Topic{Name: name, Type: "NORMAL", Queues: 8})
}

// group returns the name of a new consumer group.
func (s *server) group(ctx context.Context) (string, error) {
	name := s.name("group")
	if s.real == nil {
		return name, nil
	}
	return name, s.real.CreateGroup(ctx, target.Group{Name: name, RetryMaxTimes: 16})
}
