package client

import (
	"math/rand/v2"
	"net"

	"google.golang.org/grpc/resolver"
)

// fixedAddresses resolves to addresses that are known, shuffled, so that many clients do not all
// choose the first. grpc then stays with one as long as it answers.
type fixedAddresses struct {
	addresses []string
	oneName   bool // all are verified by the name that the TLS settings give
}

var (
	_ resolver.Builder            = fixedAddresses{}
	_ resolver.AuthorityOverrider = fixedAddresses{}
)

// Scheme returns the scheme of targets that this resolves.
func (fixedAddresses) Scheme() string { return "rocketmq" }

// Build reports the addresses, once.
func (f fixedAddresses) Build(
	_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions,
) (resolver.Resolver, error) {
	state := resolver.State{Addresses: make([]resolver.Address, len(f.addresses))}
	for i, address := range f.addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		state.Addresses[i] = resolver.Address{Addr: address}
		if !f.oneName {
			// Each address is verified under its own name, not under the list of all.
			state.Addresses[i].ServerName = host
		}
	}
	rand.Shuffle(len(state.Addresses), func(i, j int) {
		state.Addresses[i], state.Addresses[j] = state.Addresses[j], state.Addresses[i]
	})
	return f, cc.UpdateState(state)
}

// OverrideAuthority names one address to the server: a list is not the name of a host.
func (f fixedAddresses) OverrideAuthority(resolver.Target) string { return f.addresses[0] }

// ResolveNow does nothing: the addresses do not change.
func (fixedAddresses) ResolveNow(resolver.ResolveNowOptions) {}

// Close does nothing: there is nothing open.
func (fixedAddresses) Close() {}
