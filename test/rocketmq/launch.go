package rocketmq

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

const (
	startTimeout = 4 * time.Minute // a machine that has much to do takes minutes for what takes 10 s
	pollInterval = 200 * time.Millisecond
)

// readyTopic is created to see that the whole of the server answers.
const readyTopic = "rocketflow-ready"

// machine is how a Java program of the server is run.
type machine struct{ java, lib, dir string }

// run starts the program with the given main class and a heap of at most heapMB.
func (m machine) run(name, main string, heapMB int, args ...string) (*process, error) {
	flags := []string{
		fmt.Sprintf("-Xmx%dm", heapMB),
		"-Drocketmq.home.dir=" + m.dir,
		"-Duser.home=" + m.dir, // the server writes its logs there
		"-Djava.io.tmpdir=" + m.dir,
		"-cp", filepath.Join(m.lib, "*"),
		main,
	}
	return start(name, m.dir, m.java, append(flags, args...)...)
}

// launch starts the programs, each when those it needs answer, and waits for the proxies.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.run(s.machine.run("namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup", 256, "-c", filepath.Join(s.dir, "namesrv.conf"))); err != nil {
		return err
	}
	names := admin.New(s.Namesrv())
	defer func() { _ = names.Close() }()
	if err := s.await(ctx, "name server", names.Ping); err != nil {
		return err
	}
	return s.launchBroker(ctx, names)
}

// launchBroker starts broker and proxies, and waits for them.
func (s *Server) launchBroker(ctx context.Context, names *admin.Client) error {
	if s.mode == Cluster {
		if err := s.runBroker(); err != nil {
			return err
		}
		// The proxy reads the cluster's brokers when it starts, so the broker has to be there.
		if err := s.awaitTopic(ctx, names); err != nil {
			return err
		}
	}
	// One after the other: the first makes a topic that the others want, and two fail over it.
	for i := range s.ports.proxies {
		if err := s.runProxy(i); err != nil {
			return err
		}
		if s.mode == Local {
			if err := s.awaitTopic(ctx, names); err != nil {
				return err
			}
		}
		if err := s.awaitProxy(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// run keeps a process that has been started.
func (s *Server) run(p *process, err error) error {
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	return nil
}

// awaitTopic waits until the broker has created a topic and the name server has heard of it. Only
// then may the proxy be asked for it, since it remembers for a while that there is none.
func (s *Server) awaitTopic(ctx context.Context, names *admin.Client) error {
	broker := admin.New(s.Broker())
	defer func() { _ = broker.Close() }()
	err := s.await(ctx, "broker", func(ctx context.Context) error {
		return broker.CreateTopic(ctx, admin.Topic{Name: readyTopic, Type: "NORMAL", Queues: 1})
	})
	if err != nil {
		return err
	}
	return s.await(ctx, "registration of the broker", func(ctx context.Context) error {
		_, err := names.ReadQueues(ctx, readyTopic)
		return err
	})
}

// await tries until it succeeds, ctx ends, or one of the processes ends.
func (s *Server) await(ctx context.Context, what string, try func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		for _, p := range s.processes {
			if ended := p.ended(); ended != nil {
				return fmt.Errorf("rocketmq: wait for the %s: the %s has ended: %w", what, p.name, ended)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("rocketmq: wait for the %s: %w: %w", what, context.Cause(ctx), err)
		case <-time.After(pollInterval):
		}
	}
}
