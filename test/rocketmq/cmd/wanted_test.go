package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestWanted_ReadsTopicsAndGroups(t *testing.T) {
	var w wanted
	for _, text := range []string{"a", "b:fifo", "c:DELAY:3"} {
		require.NoError(t, w.addTopic(text))
	}
	for _, text := range []string{"g", "h:ordered"} {
		require.NoError(t, w.addGroup(text))
	}
	require.Equal(t, wanted{
		topics: []target.Topic{
			{Name: "a", Type: "NORMAL", Queues: 8}, {Name: "b", Type: "FIFO", Queues: 8}, {Name: "c", Type: "DELAY", Queues: 3},
		},
		groups: []target.Group{{Name: "g", RetryMaxTimes: 16}, {Name: "h", Ordered: true, RetryMaxTimes: 16}},
	}, w)
}

func TestWanted_RefusesWhatItCannotRead(t *testing.T) {
	var w wanted
	for _, text := range []string{"", ":FIFO", "a:ODD", "a:FIFO:0", "a:FIFO:x", "a:FIFO:1:2"} {
		require.Error(t, w.addTopic(text), text)
	}
	for _, text := range []string{"", "g:", "g:fifo"} {
		require.Error(t, w.addGroup(text), text)
	}
	require.Equal(t, wanted{}, w)
}
