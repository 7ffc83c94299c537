package broker

import (
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func TestHandle_IsNineFields(t *testing.T) {
	h := handle{start: 1, popTime: 1795511628235, invisible: 10000, revive: 3, kind: kindRetry, broker: "broker-a", queue: 2, offset: 5, commit: 221919279}
	const text = "1 1795511628235 10000 3 1 broker-a 2 5 221919279"
	require.Equal(t, text, h.String())
	parsed, err := parseHandle(text)
	require.NoError(t, err)
	require.Equal(t, h, parsed)
}

func TestParseHandle_TakesEightFieldsAndAnyBrokerName(t *testing.T) {
	h, err := parseHandle("1 2 3 4 0 elsewhere 5 6")
	require.NoError(t, err)
	require.Equal(t, handle{start: 1, popTime: 2, invisible: 3, revive: 4, broker: "elsewhere", queue: 5, offset: 6, commit: -1}, h)
}

func TestParseHandle_RefusesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{"", " ", "x", "1 2 3 4 0 b 5", "1 2 3 4 0 b 5 x", "x 2 3 4 0 b 5 6", "1 2 3 4 0 b 5 6 x", "1  3 4 0 b 5 6 7"} {
		_, err := parseHandle(text)
		require.Equal(t, v2.Code_INVALID_RECEIPT_HANDLE, statusOf(err).GetCode(), text)
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add("1 1795511628235 10000 3 1 broker-a 2 5 221919279")
	f.Add("1 2 3 4 0 elsewhere 5 6")
	f.Add("-1 9223372036854775807 9223372036854775807 4 0 b -5 -6 -7")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHandle(text)
		if err != nil {
			return
		}
		again, err := parseHandle(h.String())
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}
