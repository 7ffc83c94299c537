package client

import (
	"bytes"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// A gzip writer is some 800 KB in a dozen pieces, so it must not be made for each message.
func TestCompressor_UsesItsWritersAgain(t *testing.T) {
	c := &compressor{threshold: 1}
	plain := bytes.Repeat([]byte("a"), 10_000)
	allocations := testing.AllocsPerRun(100, func() {
		o := &outgoing{message: v2.Message{Body: plain}, system: v2.SystemProperties{BodyEncoding: v2.Encoding_IDENTITY}}
		c.compress(o)
		require.True(t, o.compressed())
	})
	t.Log(allocations)
	require.Less(t, allocations, 10.0)
}
