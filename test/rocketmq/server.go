// Package rocketmq brings a real Apache RocketMQ up for a test and takes it down again.
//
// [Start] runs a name server, a broker and a gRPC proxy of [Version] in virtual machines of their
// own, at free ports and in a temporary folder, and returns when they answer. [Server.Stop] ends
// them and removes the folder. In mode [Local] broker and proxy share a virtual machine and the
// proxy calls the broker directly; in mode [Cluster] it does so over the network, as in production,
// there can be several proxies, and a test can kill one ([Server.KillProxy]), or the broker
// ([Server.KillBroker]), and have it back.
//
// The server's jars come from Maven Central, once; Java 17 or later has to be there. The command
// in rocketmq/cmd runs another command with a server and its addresses in the environment.
package rocketmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// Mode tells where the proxy finds the broker.
type Mode string

const (
	// Local runs the broker inside the proxy.
	Local Mode = "local"
	// Cluster runs the broker beside the proxy.
	Cluster Mode = "cluster"
)

// Environment variables that tell a test where the server is.
const (
	EndpointVariable = "ROCKETMQ_ENDPOINT" // host:port of the proxy's gRPC
	BrokerVariable   = "ROCKETMQ_BROKER"   // host:port of the broker's remoting protocol, for administration
	NamesrvVariable  = "ROCKETMQ_NAMESRV"  // host:port of the name server
	ModeVariable     = "ROCKETMQ_MODE"     // local or cluster
)

// Options are what a server is started with.
type Options struct {
	// Mode is Local or Cluster.
	Mode Mode
	// Proxies is how many proxies the cluster has; none means one. Mode Local has one.
	Proxies int
	// ACL has the server serve users alone. [Server.Credentials] are those of the first, who may do
	// everything; package admin makes others.
	ACL bool
	// Log is told of each step. It must not be nil.
	Log *slog.Logger
}

// Server is a running server. Stop ends it.
type Server struct {
	mode      Mode
	dir       string
	machine   machine
	ports     ports
	super     Credentials
	processes []*process // in the order of their start
}

// Start starts a server and waits until it answers, about 10 s. When ctx ends first, or a process
// does, nothing is left running and the error has the last lines of the logs. Without Java or
// Maven it says what to install.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Mode != Local && o.Mode != Cluster {
		return nil, fmt.Errorf("rocketmq: start mode %q: want %q or %q", o.Mode, Local, Cluster)
	}
	if o.Mode == Local && o.Proxies > 1 {
		return nil, fmt.Errorf("rocketmq: start %d proxies: mode local has one", o.Proxies)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("rocketmq: find java, which runs the server: %w: install a Java 17 runtime", err)
	}
	lib, err := library(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rocketmq-")
	if err != nil {
		return nil, fmt.Errorf("rocketmq: make the server's folder: %w", err)
	}
	s := &Server{mode: o.Mode, dir: dir, machine: machine{java: java, lib: lib, dir: dir}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w\n%s", err, s.logs()), s.Stop())
		}
	}()
	if s.ports, err = freePorts(max(o.Proxies, 1)); err != nil {
		return nil, err
	}
	if o.ACL {
		s.super = Credentials{AccessKey: "rocketflow", Secret: rand.Text()}
	}
	if err := (config{dir: dir, ports: s.ports, super: s.super}).write(); err != nil {
		return nil, err
	}
	o.Log.Info("starting the server", "mode", o.Mode, "endpoint", s.Endpoint(), "broker", s.Broker(), "folder", dir)
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Stop kills the server's processes, waits until they are gone and removes the folder.
func (s *Server) Stop() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.kill())
	}
	s.processes = nil
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// Restart ends broker and proxies in an orderly way and starts them again, at their old ports and with
// what they have stored. The name server goes on. When Restart fails, the error has the last lines of
// the logs, and what runs is left for Stop to end.
func (s *Server) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for len(s.processes) > 1 { // the first is the name server
		last := len(s.processes) - 1
		if err := s.processes[last].end(); err != nil {
			return err
		}
		s.processes = s.processes[:last]
	}
	names := admin.New(s.Namesrv())
	defer func() { _ = names.Close() }()
	if err := s.launchBroker(ctx, names); err != nil {
		return fmt.Errorf("%w\n%s", err, s.logs())
	}
	return nil
}

// Mode is that of the Options.
func (s *Server) Mode() Mode { return s.mode }

// Endpoint is host:port of the gRPC of the first proxy.
func (s *Server) Endpoint() string { return s.Endpoints()[0] }

// Broker is host:port of the broker's remoting protocol, for package admin.
func (s *Server) Broker() string { return local(s.ports.broker) }

// Namesrv is host:port of the name server.
func (s *Server) Namesrv() string { return local(s.ports.namesrv) }

// Credentials are those of a user who may do everything; none, if the server serves everybody.
func (s *Server) Credentials() Credentials { return s.super }

// Env is what a test finds the server by, in the form of [os.Environ].
func (s *Server) Env() []string {
	env := []string{
		EndpointVariable + "=" + s.Endpoint(),
		BrokerVariable + "=" + s.Broker(),
		NamesrvVariable + "=" + s.Namesrv(),
		ModeVariable + "=" + string(s.mode),
	}
	if s.super.AccessKey != "" {
		env = append(env, AccessKeyVariable+"="+s.super.AccessKey, SecretKeyVariable+"="+s.super.Secret)
	}
	return env
}

// logs returns the last lines of all that the server has written.
func (s *Server) logs() string {
	var b strings.Builder
	for _, p := range s.processes {
		fmt.Fprintf(&b, "--- %s\n%s\n", p.name, p.tail())
	}
	for _, name := range []string{"namesrv.log", "broker.log", "proxy.log"} {
		fmt.Fprintf(&b, "--- %s\n%s\n", name, tailOf(filepath.Join(s.dir, "logs", "rocketmqlogs", name)))
	}
	return b.String()
}
