package rocketmq

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// host is the address at which the server listens and which it tells its clients.
const host = "127.0.0.1"

// ports are the TCP ports of an instance.
type ports struct {
	namesrv int
	broker  int // the broker takes this one, two below it for its second listener, and one above it for replicas
	proxies []proxyPorts
}

// proxyPorts are those of one proxy.
type proxyPorts struct {
	grpc     int
	remoting int
}

// A server's ports lie below those that systems give to outgoing connections, one of which could take
// the place of the server while it restarts.
const (
	firstPort = 10_000
	endPort   = 32_000
)

// freePorts finds ports that nobody listens at. They are free at that moment only: another process
// can take one before the server does, which then fails to start.
func freePorts(proxies int) (p ports, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	hold := func(port int) (int, bool) {
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			return 0, false
		}
		held = append(held, l)
		return l.Addr().(*net.TCPAddr).Port, true
	}
	anyPort := func() (int, bool) {
		for range 100 {
			if port, ok := hold(firstPort + rand.IntN(endPort-firstPort)); ok {
				return port, true
			}
		}
		return 0, false
	}
	for range 100 {
		broker, ok := anyPort()
		_, below := hold(broker - 2)
		_, above := hold(broker + 1)
		if !ok || !below || !above {
			continue
		}
		p.broker = broker
		break
	}
	found := p.broker != 0
	one := func() int {
		port, ok := anyPort()
		found = found && ok
		return port
	}
	p.namesrv = one()
	for range proxies {
		p.proxies = append(p.proxies, proxyPorts{grpc: one(), remoting: one()})
	}
	if !found {
		return ports{}, fmt.Errorf("rocketmq: find free ports: none left on %s", host)
	}
	return p, nil
}

func local(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
