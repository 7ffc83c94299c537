package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJavaHash_IsOverUTF16Units(t *testing.T) {
	for text, want := range map[string]int32{
		"": 0, "hello": 99162322, "Aa": 2112, "BB": 2112, "polygenelubricants": -1 << 31, "😀": 1772899,
	} {
		require.Equal(t, want, javaHash(text), text)
	}
}

func TestJump_MovesFewWhenAQueueIsAdded(t *testing.T) {
	moved := 0
	for hash := range int32(1000) {
		before, after := jump(hash*7919, 8), jump(hash*7919, 9)
		require.Less(t, before, 8)
		if before != after {
			require.Equal(t, 8, after, "only to the new queue")
			moved++
		}
	}
	require.InDelta(t, 1000/9, moved, 40)
}
