package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/quiet"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestPage_TriesAgainLaterAndThenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := newBroker(t)
		message := func(carrier string) *client.Message {
			m, err := Alert{ID: carrier, Carrier: carrier}.message()
			require.NoError(t, err)
			return m
		}
		load := flow.From(sources.Values(message("EV"), message("9E"), message("UA"), &client.Message{Body: []byte("not JSON")})).
			To(sinks.RocketMQ(c, alertsTopic))
		require.NoError(t, load.Run(t.Context()))

		d := newDesks("EV")
		require.NoError(t, quiet.Run(t.Context(), page(c, d), silence))

		require.Equal(t, map[string]int{"EV": 3, "9E": 3, "UA": 1}, d.tries)
		require.Equal(t, map[string]bool{"9E": true, "UA": true}, d.answered)
		var stdout bytes.Buffer
		require.NoError(t, d.report(&stdout))
		require.Equal(t, "3 alerts paged: 1 answered at once, 1 later, 1 not at all\n", stdout.String())
		reasons := make(map[string]string)
		for _, m := range b.Messages(deadTopic) {
			reasons[string(m.Body)] = m.Properties[sinks.PropertyError]
		}
		require.Len(t, reasons, 2)
		require.Contains(t, reasons["not JSON"], "invalid character")
		require.Contains(t, reasons[string(message("EV").Body)], errNoAnswer.Error())
	})
}
