package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A server is what is measured, and a connection to it.
type server struct {
	*bare
	process *process      // nil of the real one
	real    target.Server // nil of all others, which make topics and groups when they are named
	stop    func() error
	names   int
}

// startOurs starts a process in the role of a server.
func startOurs(role string) (*server, error) {
	p, err := start(role)
	if err != nil {
		return nil, err
	}
	b, err := dial(p.first)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &server{bare: b, process: p, stop: p.close}, nil
}

// startReal starts a real RocketMQ, with broker and proxy in one process: its fastest.
func startReal(ctx context.Context) (*server, error) {
	r, err := rocketmq.Start(ctx, rocketmq.Options{Mode: rocketmq.Local, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	t, err := target.Connect(target.Real{Mode: target.Local, Endpoint: r.Endpoint(), Broker: r.Broker(), Names: r.Namesrv()})
	if err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	b, err := dial(r.Endpoint())
	if err != nil {
		return nil, errors.Join(err, t.Close(), r.Stop())
	}
	return &server{bare: b, real: t, stop: func() error { return errors.Join(t.Close(), r.Stop()) }}, nil
}

func (s *server) close() error { return errors.Join(s.Close(), s.stop()) }

func (s *server) name(kind string) string {
	s.names++
	return fmt.Sprintf("bench-%s-%d", kind, s.names)
}

// topic gives the name of a new topic.
func (s *server) topic(ctx context.Context) (string, error) {
	name := s.name("topic")
	if s.real == nil {
		return name, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return name, s.real.CreateTopic(ctx, admin.Topic{Name: name, Type: "NORMAL", Queues: 8})
}

// group gives the name of a new group, of which client says that it consumes the topic.
func (s *server) group(ctx context.Context, topic string) (string, error) {
	name := s.name("group")
	if s.real != nil {
		if err := s.real.CreateGroup(ctx, admin.Group{Name: name, RetryMaxTimes: 16}); err != nil {
			return "", err
		}
	}
	return name, s.join(ctx, name, topic)
}
