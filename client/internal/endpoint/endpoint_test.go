package endpoint

import (
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func TestParse_ReadsTheGrammar(t *testing.T) {
	for _, c := range []struct {
		text, name string
		scheme     v2.AddressScheme
	}{
		{"127.0.0.1:8081", "127.0.0.1:8081", v2.AddressScheme_IPv4},
		{" http://10.0.0.2:8081;10.0.0.1:8081 ", "10.0.0.1:8081;10.0.0.2:8081", v2.AddressScheme_IPv4},
		{"HTTPS://proxy.example.com:443/", "proxy.example.com:443", v2.AddressScheme_DOMAIN_NAME},
		{"localhost", "localhost:80", v2.AddressScheme_DOMAIN_NAME},
		{"[::1]:8081", "[::1]:8081", v2.AddressScheme_IPv6},
		{"[::1]", "[::1]:80", v2.AddressScheme_IPv6},
		{"fe80::1;[fe80::2]:81", "[fe80::1]:80;[fe80::2]:81", v2.AddressScheme_IPv6},
		{"10.0.0.1:1;10.0.0.1:1;", "10.0.0.1:1", v2.AddressScheme_IPv4},
	} {
		t.Run(c.text, func(t *testing.T) {
			e, err := Parse(c.text)
			require.NoError(t, err)
			require.Equal(t, c.name, e.String())
			require.Equal(t, c.scheme, e.Proto().GetScheme())
		})
	}
}

func TestParse_RefusesWhatIsNoAddress(t *testing.T) {
	for _, text := range []string{
		"", ";", "http://", ":8081", "host:", "host:0", "host:65536", "host:x", "a b:1",
		"a:1;b:2", "a:1;10.0.0.1:1", "10.0.0.1:1;[::1]:1", "ho/st:1",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := Parse(text)
			require.Error(t, err)
		})
	}
}

func TestFromProto_RefusesBadAddresses(t *testing.T) {
	for name, p := range map[string]*v2.Endpoints{
		"nil":      nil,
		"empty":    {},
		"no host":  {Addresses: []*v2.Address{{Port: 1}}},
		"no port":  {Addresses: []*v2.Address{{Host: "a"}}},
		"nil item": {Addresses: []*v2.Address{nil}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromProto(p)
			require.Error(t, err)
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:8081", "http://a:1", "[::1]:80;[::2]:81", "a;b", ":", "[", "]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(e.String())
		require.NoError(t, err)
		require.Equal(t, e.String(), again.String())
		back, err := FromProto(e.Proto())
		require.NoError(t, err)
		require.Equal(t, e.String(), back.String())
		require.Len(t, e.Addresses(), len(e.Proto().GetAddresses()))
	})
}
