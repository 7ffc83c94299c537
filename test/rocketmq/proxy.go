package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// proxyName is the name of a proxy, and of its folder and files.
func proxyName(i int) string {
	if i == 0 {
		return "proxy"
	}
	return "proxy-" + strconv.Itoa(i)
}

// Endpoints are host:port of the gRPC of each proxy.
func (s *Server) Endpoints() []string {
	out := make([]string, len(s.ports.proxies))
	for i, p := range s.ports.proxies {
		out[i] = local(p.grpc)
	}
	return out
}

// KillProxy kills a proxy, which is numbered from 0, and returns when it is gone: connections to it
// break and what it had in memory is lost. The broker goes on, so it takes mode [Cluster].
func (s *Server) KillProxy(i int) error {
	if err := s.checkProxy(i); err != nil {
		return err
	}
	at := slices.IndexFunc(s.processes, func(p *process) bool { return p.name == proxyName(i) })
	if at < 0 {
		return fmt.Errorf("rocketmq: kill the proxy: the %s is not there", proxyName(i))
	}
	p := s.processes[at]
	s.processes = slices.Delete(s.processes, at, at+1)
	return p.kill()
}

// StartProxy starts a proxy that has been killed, at its old ports, and returns when it answers,
// which takes about 5 s. A proxy gives up while it starts when the broker takes long to answer it, so
// it may have to be started again. When StartProxy fails, the error has the last lines of the logs,
// and the proxy is left as it is, for Stop to end.
func (s *Server) StartProxy(ctx context.Context, i int) error {
	if err := s.checkProxy(i); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := s.runProxy(i)
		if err == nil {
			err = s.awaitProxy(ctx, i)
		}
		if err == nil {
			return nil
		}
		if attempt == proxyAttempts || s.KillProxy(i) != nil {
			return fmt.Errorf("%w\n%s", err, s.logs())
		}
	}
}

// proxyAttempts is how often a proxy is started that gives up.
const proxyAttempts = 3

func (s *Server) checkProxy(i int) error {
	switch {
	case s.mode != Cluster:
		return errors.New("rocketmq: the proxy holds the broker: start the server in mode cluster")
	case i < 0 || i >= len(s.ports.proxies):
		return fmt.Errorf("rocketmq: there is no proxy %d: want one below %d", i, len(s.ports.proxies))
	}
	return nil
}

// runProxy starts the virtual machine of a proxy. Each has a folder of its own for its logs; that of
// the first, which may hold the broker, is the server's.
func (s *Server) runProxy(i int) error {
	m := s.machine
	if i > 0 {
		m.dir = filepath.Join(s.dir, proxyName(i))
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return fmt.Errorf("rocketmq: make the folder of the %s: %w", proxyName(i), err)
		}
	}
	args := []string{"-pm", string(s.mode), "-pc", filepath.Join(s.dir, proxyName(i)+".json"), "-n", s.Namesrv()}
	if s.mode == Local {
		args = append(args, "-bc", filepath.Join(s.dir, "broker.conf"))
	}
	return s.run(m.run(proxyName(i), "org.apache.rocketmq.proxy.ProxyStartup", 1024, args...))
}

// awaitProxy waits until the proxy answers a route.
func (s *Server) awaitProxy(ctx context.Context, i int) error {
	conn, err := grpc.NewClient(s.Endpoints()[i],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// Who measures how soon clients find a proxy again wants to know when it was there.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: pollInterval, Multiplier: 1, MaxDelay: pollInterval},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return fmt.Errorf("rocketmq: reach the %s: %w", proxyName(i), err)
	}
	defer func() { _ = conn.Close() }()
	client := v2.NewMessagingServiceClient(conn)
	return s.await(ctx, proxyName(i), func(ctx context.Context) error {
		ctx = s.super.Sign(metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", readyTopic))
		resp, err := client.QueryRoute(ctx, &v2.QueryRouteRequest{
			Topic: &v2.Resource{Name: readyTopic},
			Endpoints: &v2.Endpoints{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{
				{Host: host, Port: int32(s.ports.proxies[i].grpc)},
			}},
		})
		if err == nil && resp.GetStatus().GetCode() != v2.Code_OK {
			err = fmt.Errorf("%v", resp.GetStatus())
		}
		return err
	})
}
