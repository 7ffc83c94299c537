package sinks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestInGroups_GivesEachKeyAMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "grouped", Queues: 1, Type: broker.FIFO}))
		encode := InGroups(func(v string) string { return v }, func(v string) ([]byte, error) { return json.Marshal(v) })
		w := openSink(r.T, RocketMQOf(r.client, "grouped", encode))
		long := strings.Repeat("x", 64)
		keys := []string{"AA", strings.Repeat("y", 63), long, long + "x", " blank ", "line\n"}
		require.NoError(r, w.Write(r.Context(), batch(keys...)))
		seen := make(map[string]bool)
		for i, m := range r.broker.Messages("grouped") {
			if i < 2 {
				require.Equal(r, keys[i], m.MessageGroup)
			}
			seen[m.MessageGroup] = true
		}
		require.Len(r, seen, len(keys), "different keys have different groups")
	})
}

func TestInGroups_FailsWithoutAKeyOrABody(t *testing.T) {
	broken := errors.New("broken")
	encode := InGroups(func(v string) string { return v }, func(string) ([]byte, error) { return nil, broken })
	_, err := encode("")
	require.ErrorContains(t, err, "key is empty")
	_, err = encode("a")
	require.ErrorIs(t, err, broken)
}
