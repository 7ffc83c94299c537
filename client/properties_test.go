package client_test

import (
	"fmt"
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rocketflow-io/rocketflow/client"
)

// propertiesOf reads the properties of a client from its settings: field 9, a map of strings.
func propertiesOf(tb testing.TB, s *v2.Settings) map[string]string {
	tb.Helper()
	out := make(map[string]string)
	field := func(b []byte, number protowire.Number) (value, rest []byte) {
		n, kind, size := protowire.ConsumeTag(b)
		require.Equal(tb, number, n)
		require.Equal(tb, protowire.BytesType, kind)
		value, length := protowire.ConsumeBytes(b[size:])
		require.GreaterOrEqual(tb, length, 0)
		return value, b[size+length:]
	}
	for left := []byte(s.ProtoReflect().GetUnknown()); len(left) > 0; {
		var entry []byte
		entry, left = field(left, 9)
		key, entry := field(entry, 1)
		value, entry := field(entry, 2)
		require.Empty(tb, entry)
		out[string(key)] = string(value)
	}
	return out
}

func TestWithProperties_TellsTheServers(t *testing.T) {
	want := map[string]string{"team": "north", "app.version-1_2": "", "z": strings.Repeat("ü", 256)}
	given := map[string]string{"team": "north", "app.version-1_2": "", "z": strings.Repeat("ü", 256)}
	option := client.WithProperties(given)
	given["team"] = "changed too late"
	onNetwork(t, single, func(n *network) {
		var seen announced
		n.at(single[0]).telemetry = seen.serve
		_, err := n.producer().Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Equal(n, want, propertiesOf(n, seen.all[0]))
	}, option)
}

func TestWithProperties_KeepsToTheLimits(t *testing.T) {
	many := make(map[string]string)
	for i := range 33 {
		many[fmt.Sprint("k", i)] = ""
	}
	large := make(map[string]string)
	for i := range 16 {
		large[fmt.Sprint("k", i)] = strings.Repeat("v", 254)
	}
	for name, c := range map[string]struct {
		properties map[string]string
		says       string
	}{
		"many":      {many, "33 properties, the limit is 32"},
		"large":     {large, "4230 bytes in all, the limit is 4096"},
		"long key":  {map[string]string{strings.Repeat("k", 65): ""}, "65 characters, the limit is 64"},
		"empty key": {map[string]string{"": ""}, `""`},
		"digit":     {map[string]string{"1a": ""}, `"1a"`},
		"dash":      {map[string]string{"-a": ""}, `"-a"`},
		"umlaut":    {map[string]string{"aü": ""}, `"aü"`},
		"space":     {map[string]string{"a b": ""}, `"a b"`},
		"reserved":  {map[string]string{"rocketmq.a": ""}, "protocol"},
		"long":      {map[string]string{"k": strings.Repeat("ü", 257)}, "257 characters, the limit is 256"},
		"not text":  {map[string]string{"k": "\xff"}, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.New("10.0.0.1:1", client.WithProperties(c.properties))
			var option *client.OptionError
			require.ErrorAs(t, err, &option)
			require.Equal(t, "WithProperties", option.Option)
			require.ErrorContains(t, err, c.says)
		})
	}
	for _, fine := range []map[string]string{nil, {}, {"rocketmqX": "", "a": "", "Z9_.-": "", strings.Repeat("k", 64): ""}} {
		c, err := client.New("10.0.0.1:1", client.WithProperties(fine))
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
}
