package endpoint

import (
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// What a route names is either refused, or an endpoint that means the same when it is written out.
func FuzzFromProto(f *testing.F) {
	for _, seed := range []*v2.Endpoints{
		{},
		{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: "10.0.0.2", Port: 8081}, {Host: "10.0.0.1", Port: 8081}}},
		{Scheme: v2.AddressScheme_IPv6, Addresses: []*v2.Address{{Host: "::1", Port: 1}}},
		{Scheme: v2.AddressScheme_DOMAIN_NAME, Addresses: []*v2.Address{{Host: "a.b", Port: 65536}}},
		{Scheme: -3, Addresses: []*v2.Address{{Host: "a;b", Port: -1}, nil}},
	} {
		data, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &v2.Endpoints{}
		if proto.Unmarshal(data, p) != nil {
			return
		}
		e, err := FromProto(p)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NotEmpty(t, e.Addresses())
		again, err := FromProto(e.Proto())
		require.NoError(t, err)
		require.Equal(t, e, again)
		parsed, err := Parse(strings.Join(e.Addresses(), ";"))
		require.NoError(t, err)
		require.Equal(t, e.String(), parsed.String())
	})
}
