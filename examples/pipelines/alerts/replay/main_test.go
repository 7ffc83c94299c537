package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReplay_SendsDeadLettersBackAsTheyWere(t *testing.T) {
	dead := &client.Message{Body: []byte("{}"), Tag: "t", Keys: []string{"k"}, Properties: map[string]string{
		"own": "kept", sinks.PropertyRetries: "2", sinks.PropertyError: "no answer", sinks.PropertyTopic: alertsTopic,
	}}
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, brokertest.WithTopics(broker.Topic{Name: deadTopic}, broker.Topic{Name: alertsTopic}),
			brokertest.WithGroups(broker.Group{Name: replayGroup}))
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		require.NoError(t, flow.From(sources.Values(dead, dead)).To(sinks.RocketMQ(c, deadTopic)).Run(t.Context()))

		var stdout bytes.Buffer
		require.NoError(t, replayAll(t.Context(), c, &stdout))

		require.Equal(t, "2 dead letters sent back: no answer\n", stdout.String())
		require.Len(t, b.Messages(alertsTopic), 2)
		for _, m := range b.Messages(alertsTopic) {
			require.Equal(t, dead.Body, m.Body)
			require.Equal(t, dead.Tag, m.Tag)
			require.Equal(t, dead.Keys, m.Keys)
			require.Equal(t, map[string]string{"own": "kept"}, m.Properties)
		}
		stats, err := b.GroupStats(replayGroup)
		require.NoError(t, err)
		require.Zero(t, stats.Backlog)
	})
}
