package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

const brokerProcess = "broker"

// KillBroker kills the broker, and returns when it is gone. What it has written to its files the
// system keeps; what it had in memory alone, such as how far the groups had come in the last seconds,
// is lost. The proxies go on, so it takes mode [Cluster].
func (s *Server) KillBroker() error {
	if s.mode != Cluster {
		return errors.New("rocketmq: the broker is in the proxy: start the server in mode cluster")
	}
	at := slices.IndexFunc(s.processes, func(p *process) bool { return p.name == brokerProcess })
	if at < 0 {
		return errors.New("rocketmq: kill the broker: it is not there")
	}
	p := s.processes[at]
	s.processes = slices.Delete(s.processes, at, at+1)
	return p.kill()
}

// StartBroker starts the broker that has been killed, at its old ports and with what it has stored, and
// returns when it answers and the name server knows it. When StartBroker fails, the error has the last
// lines of the logs, and the broker is left as it is, for Stop to end.
func (s *Server) StartBroker(ctx context.Context) error {
	if s.mode != Cluster {
		return errors.New("rocketmq: the broker is in the proxy: start the server in mode cluster")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	names := admin.New(s.Namesrv())
	defer func() { _ = names.Close() }()
	if err := s.runBroker(); err != nil {
		return err
	}
	if err := s.awaitTopic(ctx, names); err != nil {
		return fmt.Errorf("%w\n%s", err, s.logs())
	}
	return nil
}

// runBroker starts the virtual machine of the broker, which is ended after those of the proxies.
func (s *Server) runBroker() error {
	conf := filepath.Join(s.dir, "broker.conf")
	p, err := s.machine.run(brokerProcess, "org.apache.rocketmq.broker.BrokerStartup", 1024, "-c", conf)
	if err == nil {
		s.processes = slices.Insert(s.processes, 1, p) // the first is the name server
	}
	return err
}
