// Package endpoint parses, compares and prints the addresses under which a RocketMQ server is
// reached: what a user writes, and what a route says.
package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	defaultPort   = 80 // what the protocol's other clients take where none is written
	maxPort       = 65535
	maxNameLength = 253

	maxLabelLength = 63
)

// An Endpoint is one server, or one load balancer, by all its addresses. Its zero value has none.
// It is immutable.
type Endpoint struct {
	scheme v2.AddressScheme
	hosts  []hostPort
	name   string // the addresses in sorted order, so that two lists of the same addresses are equal
}

type hostPort struct {
	host string // an IPv6 address is without brackets
	port int
}

func (h hostPort) String() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port)) }

// Parse reads "host:port", or several of them separated by semicolons, which must be addresses of
// the same family: one host name, or any number of IPv4 or IPv6 addresses. The prefixes http:// and
// https:// are accepted and mean nothing. A missing port is 80.
func Parse(text string) (Endpoint, error) {
	rest := strings.TrimSpace(text)
	for _, prefix := range []string{"http://", "https://"} {
		if len(rest) >= len(prefix) && strings.EqualFold(rest[:len(prefix)], prefix) {
			rest = rest[len(prefix):]
			break
		}
	}
	rest = strings.TrimSuffix(rest, "/")
	var hosts []hostPort
	for part := range strings.SplitSeq(rest, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		h, err := parseHostPort(part)
		if err != nil {
			return Endpoint{}, fmt.Errorf("%q: %w", part, err)
		}
		hosts = append(hosts, h)
	}
	return build(hosts)
}

// FromProto reads what a route names. The scheme of the message is not believed: the addresses
// tell it.
func FromProto(p *v2.Endpoints) (Endpoint, error) {
	var hosts []hostPort
	for _, a := range p.GetAddresses() {
		h := hostPort{host: a.GetHost(), port: int(a.GetPort())}
		if err := h.check(); err != nil {
			return Endpoint{}, fmt.Errorf("%q: %w", h.host, err)
		}
		hosts = append(hosts, h)
	}
	return build(hosts)
}

func parseHostPort(s string) (hostPort, error) {
	h := hostPort{host: s, port: defaultPort}
	if host, port, ok := cutPort(s); ok {
		n, err := strconv.ParseUint(port, 10, 31)
		if err != nil {
			return h, fmt.Errorf("the port %q is not a number", port)
		}
		h.host, h.port = host, int(n)
	}
	if strings.ContainsAny(h.host, "[]") {
		inside, bracketed := strings.CutPrefix(h.host, "[")
		inside, closed := strings.CutSuffix(inside, "]")
		if !bracketed || !closed || !strings.Contains(inside, ":") {
			return h, errors.New("brackets are for IPv6 addresses, and stand around the whole of one")
		}
		h.host = inside
	}
	return h, h.check()
}

// cutPort splits at the last colon, unless that colon is inside an IPv6 address.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", false
	}
	if strings.Contains(s[:i], ":") && !strings.HasPrefix(s, "[") {
		return s, "", false // an IPv6 address without brackets has no port
	}
	return s[:i], s[i+1:], true
}

func (h hostPort) check() error {
	if h.port < 1 || h.port > maxPort {
		return fmt.Errorf("the port %d is not between 1 and %d", h.port, maxPort)
	}
	if _, err := netip.ParseAddr(h.host); err == nil {
		return nil
	}
	if len(h.host) > maxNameLength || !isName(h.host) {
		return errors.New("neither an address nor the name of a host")
	}
	return nil
}

// isName says whether s can be the name of a host: labels, the last of which is not a number, or a
// mistyped address would pass for one.
func isName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabelLength || label[0] == '-' || strings.ContainsFunc(label, notInName) {
			return false
		}
	}
	return strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r < '0' || r > '9' })
}

func notInName(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return r != '-' && r != '_'
}

func (h hostPort) scheme() v2.AddressScheme {
	addr, err := netip.ParseAddr(h.host)
	switch {
	case err != nil:
		return v2.AddressScheme_DOMAIN_NAME
	case addr.Is4():
		return v2.AddressScheme_IPv4
	default:
		return v2.AddressScheme_IPv6
	}
}

func build(hosts []hostPort) (Endpoint, error) {
	if len(hosts) == 0 {
		return Endpoint{}, errors.New("no address")
	}
	scheme := hosts[0].scheme()
	for _, h := range hosts[1:] {
		if h.scheme() != scheme {
			return Endpoint{}, fmt.Errorf("%s and %s are of two kinds", hosts[0], h)
		}
	}
	if scheme == v2.AddressScheme_DOMAIN_NAME && len(hosts) > 1 {
		return Endpoint{}, errors.New("several host names: one is the most, any number of IP addresses")
	}
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.String()
	}
	slices.Sort(names)
	return Endpoint{scheme: scheme, hosts: hosts, name: strings.Join(slices.Compact(names), ";")}, nil
}

// Rewrite returns the endpoint whose addresses are what to makes of those of e, each as host:port. Where
// it makes the same of several they count as one.
func (e Endpoint) Rewrite(to func(address string) string) (Endpoint, error) {
	var hosts []hostPort
	for _, h := range e.hosts {
		text := to(h.String())
		changed, err := parseHostPort(text)
		if err != nil {
			return Endpoint{}, fmt.Errorf("%q, made of %s: %w", text, h, err)
		}
		if !slices.Contains(hosts, changed) {
			hosts = append(hosts, changed)
		}
	}
	return build(hosts)
}

// String returns the canonical form, by which endpoints are compared.
func (e Endpoint) String() string { return e.name }

// IsDomain says whether the endpoint is a host name, which must be resolved.
func (e Endpoint) IsDomain() bool { return e.scheme == v2.AddressScheme_DOMAIN_NAME }

// Addresses returns each address as host:port, in the order given.
func (e Endpoint) Addresses() []string {
	out := make([]string, len(e.hosts))
	for i, h := range e.hosts {
		out[i] = h.String()
	}
	return out
}

// Proto returns the endpoint as the protocol writes it.
func (e Endpoint) Proto() *v2.Endpoints {
	out := &v2.Endpoints{Scheme: e.scheme, Addresses: make([]*v2.Address, len(e.hosts))}
	for i, h := range e.hosts {
		out.Addresses[i] = &v2.Address{Host: h.host, Port: int32(h.port)}
	}
	return out
}
