package endpoint

import (
	"strings"
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
		{"10.0.0.1; 10.0.0.2:81", "10.0.0.1:80;10.0.0.2:81", v2.AddressScheme_IPv4},
		{"[fe80::1%eth0]:80", "[fe80::1%eth0]:80", v2.AddressScheme_IPv6},
		{"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", v2.AddressScheme_IPv6},
		{"mq_1.my-cluster.local.:8081", "mq_1.my-cluster.local.:8081", v2.AddressScheme_DOMAIN_NAME},
		{"xn--bcher-kva.example:1", "xn--bcher-kva.example:1", v2.AddressScheme_DOMAIN_NAME},
		{"4u:1", "4u:1", v2.AddressScheme_DOMAIN_NAME},
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
		"[localhost]:80", "[10.0.0.1]:80", "localhost]:80", "[::1", "::1]", "[::1]:1:2", "[::1]x:1", "[]:1",
		"256.1.1.1:80", "1.2.3:80", "1.2.3.4.5", "a..b:1", ".a:1", "-a:1", ".:1", "host:+1", "host: 1", "a:1/path",
		"bücher:1", strings.Repeat("a", 64) + ":1", strings.Repeat("a.", 127) + "a:1",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := Parse(text)
			require.Error(t, err)
		})
	}
}

func TestRewrite_ChangesEachAddress(t *testing.T) {
	e, err := Parse("10.0.0.1:1;10.0.0.2:2")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		to   func(string) string
		want string // empty if it is refused
	}{
		"same":     {func(s string) string { return s }, "10.0.0.1:1;10.0.0.2:2"},
		"other":    {func(s string) string { return "1" + s }, "110.0.0.1:1;110.0.0.2:2"},
		"one name": {func(string) string { return "proxy:8081" }, "proxy:8081"},
		"names":    {func(s string) string { return "host" + s[:1] + s[7:] }, ""},
		"nonsense": {func(string) string { return "?" }, ""},
		"nothing":  {func(string) string { return "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			changed, err := e.Rewrite(c.to)
			require.Equal(t, c.want == "", err != nil, err)
			require.Equal(t, c.want, changed.String())
		})
	}
	require.Equal(t, "10.0.0.1:1;10.0.0.2:2", e.String(), "the endpoint itself is as it was")
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
