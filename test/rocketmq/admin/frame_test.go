package admin

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFrame_IsReadAsWritten(t *testing.T) {
	sent := command{
		Code: 17, Language: "GO", Opaque: 7, Serialize: "JSON",
		ExtFields: map[string]string{"topic": "größe"}, body: []byte("body"),
	}
	var wire bytes.Buffer
	require.NoError(t, writeFrame(&wire, sent))
	require.NoError(t, writeFrame(&wire, command{Code: 1}))
	read, err := readFrame(&wire)
	require.NoError(t, err)
	require.Equal(t, sent, read)
	read, err = readFrame(&wire)
	require.NoError(t, err)
	require.Equal(t, 1, read.Code)
	require.Zero(t, wire.Len())
}

func TestFrame_IsRefusedWhenItsLengthsDoNotFit(t *testing.T) {
	tests := map[string]struct{ total, header uint32 }{
		"shorter than its header's length": {3, 0},
		"header beyond the end":            {10, 7},
		"longer than any":                  {maxFrame + 1, 2},
		"another encoding":                 {10, 1<<24 | 2},
		"a header that is no JSON":         {10, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := readFrame(bytes.NewReader(frameOf(test.total, test.header, "{}    ")))
			require.Error(t, err)
		})
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frameOf(10, 2, `{}body`))
	f.Add(frameOf(6, 2, `{}`))
	f.Add(frameOf(1<<31, 2, `{}`))
	f.Fuzz(func(t *testing.T, wire []byte) {
		c, err := readFrame(bytes.NewReader(wire))
		if err != nil {
			return
		}
		var again bytes.Buffer
		require.NoError(t, writeFrame(&again, c))
		back, err := readFrame(&again)
		require.NoError(t, err)
		require.Equal(t, c.Code, back.Code)
		require.Equal(t, c.body, back.body)
	})
}

func frameOf(total, header uint32, rest string) []byte {
	frame := binary.BigEndian.AppendUint32(nil, total)
	return append(binary.BigEndian.AppendUint32(frame, header), rest...)
}
