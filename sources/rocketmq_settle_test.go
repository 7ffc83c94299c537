package sources

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestRocketMQ_TriesToAcknowledgeUntilTheLeaseEnds(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		a := r.gather(reader, 1)[0]
		require.NoError(r, r.broker.Close())
		began := time.Now()
		err := a.batch.Settler.Settle(r.Context(), []stage.Outcome{{Index: a.index}})
		require.ErrorIs(r, err, client.ErrUnavailable)
		require.InDelta(r, DefaultInvisible.Seconds(), time.Since(began).Seconds(), 30)
	})
}

func TestRocketMQ_MakesAFaultOfABodyThatIsNotWhatWasSent(t *testing.T) {
	good, bad := &client.Message{Body: []byte("a")}, &client.Message{Body: []byte("b"), Err: client.ErrCorrupted}
	b := newReceipts(&acker{}, []*client.Delivery{{Message: good}, {Message: bad}}).batch(time.Minute)
	require.Equal(t, []stage.Fault{{Index: 1, Err: client.ErrCorrupted, Raw: []byte("b")}}, b.Faults)
	require.Same(t, bad, b.Values[1], "dead letters want the message")
}

func TestRocketMQ_ForgetsOldFailuresWhenThereAreMany(t *testing.T) {
	now := time.Now()
	a := &acker{settings: client.ConsumerSettings{FIFO: true}, failures: make(map[string]failure, maxFailures)}
	for i := range maxFailures {
		a.failures[strconv.Itoa(i)] = failure{count: 1, last: now.Add(-keepFailure - time.Hour)}
	}
	d := &client.Delivery{Message: &client.Message{ID: "new"}}
	require.Equal(t, 1, a.failed(d))
	require.Equal(t, 2, a.failed(d))
	require.Len(t, a.failures, 1)
	a.forget([]*client.Delivery{d})
	require.Empty(t, a.failures)
}
