package rocketmq

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

const (
	startTimeout = 90 * time.Second
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

// launch starts the programs, each when those it needs answer, and waits for the proxy.
func (s *Server) launch(ctx context.Context, m machine) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	file := func(name string) string { return filepath.Join(s.dir, name) }

	if err := s.run(m.run("namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup", 256, "-c", file("namesrv.conf"))); err != nil {
		return err
	}
	names := admin.New(s.Namesrv())
	defer func() { _ = names.Close() }()
	if err := s.await(ctx, "name server", names.Ping); err != nil {
		return err
	}
	if s.mode == Cluster {
		if err := s.run(m.run("broker", "org.apache.rocketmq.broker.BrokerStartup", 1024, "-c", file("broker.conf"))); err != nil {
			return err
		}
		// The proxy reads the cluster's brokers when it starts, so the broker has to be there.
		if err := s.awaitTopic(ctx, names); err != nil {
			return err
		}
	}
	proxy := []string{"-pm", string(s.mode), "-pc", file("rmq-proxy.json"), "-n", s.Namesrv()}
	if s.mode == Local {
		proxy = append(proxy, "-bc", file("broker.conf"))
	}
	if err := s.run(m.run("proxy", "org.apache.rocketmq.proxy.ProxyStartup", 1024, proxy...)); err != nil {
		return err
	}
	if s.mode == Local {
		if err := s.awaitTopic(ctx, names); err != nil {
			return err
		}
	}
	return s.awaitProxy(ctx)
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

// awaitProxy waits until the proxy answers a route.
func (s *Server) awaitProxy(ctx context.Context) error {
	conn, err := grpc.NewClient(s.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("rocketmq: reach the proxy: %w", err)
	}
	defer func() { _ = conn.Close() }()
	client := v2.NewMessagingServiceClient(conn)
	return s.await(ctx, "proxy", func(ctx context.Context) error {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", readyTopic)
		resp, err := client.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: &v2.Resource{Name: readyTopic}})
		if err == nil && resp.GetStatus().GetCode() != v2.Code_OK {
			err = fmt.Errorf("%v", resp.GetStatus())
		}
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
