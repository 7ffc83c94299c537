package sources

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// rig is a broker in a bubble of virtual time, and a client of it.
type rig struct {
	*testing.T
	broker *broker.Broker
	client *client.Client
}

func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newRig(t)) })
}

// newRig is called within a bubble, whose end closes the rig.
func newRig(t *testing.T) *rig {
	t.Helper()
	b := brokertest.New(t, brokertest.WithoutAutoCreate(),
		brokertest.WithTopics(broker.Topic{Name: "in", Queues: 4}, broker.Topic{Name: "one", Queues: 1},
			broker.Topic{Name: "steps", Queues: 1, Type: broker.FIFO}),
		brokertest.WithGroups(broker.Group{Name: "G"}, broker.Group{Name: "O", Ordered: true, RetryMaxTimes: 1,
			Backoff: broker.RetryPolicy{Steps: []time.Duration{30 * time.Second}}}))
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &rig{t, b, c}
}

func (r *rig) send(topic, group string, bodies ...string) {
	r.Helper()
	p, err := r.client.NewProducer()
	require.NoError(r, err)
	for _, body := range bodies {
		_, err := p.Send(r.Context(), &client.Message{Topic: topic, MessageGroup: group, Body: []byte(body), TraceContext: "00-t"})
		require.NoError(r, err)
	}
	require.NoError(r, p.Close())
}

func (r *rig) stats(group string) broker.GroupStats {
	r.Helper()
	stats, err := r.broker.GroupStats(group)
	require.NoError(r, err)
	return stats
}

// gather reads until it has n messages.
func (r *rig) gather(reader stage.Reader[*client.Message], n int) (got []arrival) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Hour) // virtual, but polls would go on for ever
	defer cancel()
	for len(got) < n {
		b, err := reader.Read(ctx)
		require.NoError(r, err)
		for i, m := range b.Values {
			got = append(got, arrival{b, i, string(m.Body)})
		}
	}
	return got
}

// arrival is a message as it was read.
type arrival struct {
	batch stage.Batch[*client.Message]
	index int
	body  string
}

func (a arrival) settle(t *testing.T, err error) {
	t.Helper()
	settle(t, a.batch, a.index, err)
}

func texts(all []arrival) (bodies []string) {
	for _, a := range all {
		bodies = append(bodies, a.body)
	}
	return bodies
}

func TestRocketMQ_ReceivesAndAcknowledges(t *testing.T) {
	inBubble(t, func(r *rig) {
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
		}
		r.send("in", "", want...)
		src := RocketMQ(r.client, "in", "G")
		reader := open(r.T, src)
		require.Equal(r, stage.SourceTraits{
			Name: "rocketmq in", Lease: DefaultInvisible, Redelivers: true, UniqueIDs: true, Partitioned: true,
			Redelivery: DefaultInvisible + time.Hour, // the wait after the last of 16 attempts that may fail
		}, reader.(stage.SourceDescriber).SourceTraits())
		got := r.gather(reader, 100)
		require.ElementsMatch(r, want, texts(got))
		info := got[0].batch.Info(got[0].index)
		require.NotEmpty(r, info.ID)
		require.Equal(r, 1, info.Attempt)
		require.Equal(r, "00-t", info.TraceContext)
		m := got[0].batch.Values[got[0].index]
		require.Equal(r, fmt.Sprintf("in/%s/%d", m.Broker, m.QueueID), info.Partition)
		require.False(r, info.EventTime.IsZero())
		require.WithinRange(r, got[0].batch.Expires, time.Now().Add(DefaultInvisible-10*time.Second), time.Now().Add(DefaultInvisible))
		for _, a := range got {
			a.settle(r.T, nil)
		}
		require.EqualValues(r, 100, r.stats("G").Acked)
		require.Zero(r, r.stats("G").Backlog)
	})
}

func TestRocketMQ_RedeliversAfterTheBackoffOfTheGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		began := time.Now()
		for attempt, waited := range []time.Duration{0, time.Second, 5 * time.Second, 10 * time.Second} {
			a := r.gather(reader, 1)[0]
			require.Equal(r, attempt+1, a.batch.Info(0).Attempt)
			// The server is 2 s late.
			require.InDelta(r, waited.Seconds(), time.Since(began).Seconds(), 3)
			began = time.Now()
			a.settle(r.T, errBroken)
		}
	})
}

// A group that keeps no order counts deliveries in the server, which sees to the dead letters.
func TestRocketMQ_LeavesWhatKeepsFailingToTheServersDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		require.NoError(r, r.broker.CreateGroup(broker.Group{Name: "thrice", RetryMaxTimes: 2}))
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "thrice"))
		for range 3 {
			require.Empty(r, r.broker.Messages("%DLQ%thrice"))
			r.gather(reader, 1)[0].settle(r.T, errBroken)
		}
		time.Sleep(time.Minute)
		dead := r.broker.Messages("%DLQ%thrice")
		require.Len(r, dead, 1)
		require.Equal(r, "a", string(dead[0].Body))
		require.Zero(r, r.stats("thrice").Backlog)
	})
}

func TestRocketMQ_HandsBackAtOnceWithoutCounting(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		r.gather(reader, 1)[0].settle(r.T, fmt.Errorf("drained: %w", stage.ErrHandedBack))
		began := time.Now()
		a := r.gather(reader, 1)[0]
		require.Less(r, time.Since(began), 5*time.Second)
		require.Equal(r, 1, a.batch.Info(0).Attempt)
	})
}

func TestRocketMQ_CloseHandsBackWhatWasFetchedAndNotRead(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a", "b", "c")
		reader, err := RocketMQ(r.client, "in", "G").Open(r.Context())
		require.NoError(r, err)
		time.Sleep(time.Second) // virtual: the polls fetch
		require.EqualValues(r, 3, r.stats("G").InFlight)
		require.NoError(r, reader.Close(r.Context()))
		time.Sleep(5 * time.Second) // virtual: the server's delay of redelivery
		require.EqualValues(r, 3, r.stats("G").Ready)
		for _, a := range r.gather(open(r.T, RocketMQ(r.client, "in", "G")), 3) {
			require.Equal(r, 1, a.batch.Info(a.index).Attempt)
		}
	})
}

func TestRocketMQ_KeepsWhatItFetchedWhenReadIsCutShort(t *testing.T) {
	inBubble(t, func(r *rig) {
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		_, err := reader.Read(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded)
		r.send("in", "", "a")
		time.Sleep(time.Second) // virtual: the poll fetches
		_, err = reader.Read(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded)
		require.Equal(r, []string{"a"}, texts(r.gather(reader, 1)))
	})
}

func TestRocketMQ_BoundsWhatItFetchesAhead(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 10 {
			r.send("in", "", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		}
		reader := open(r.T, RocketMQ(r.client, "in", "G", WithPrefetch(40, 1<<20)))
		time.Sleep(time.Minute) // virtual: as much as is allowed is fetched
		require.LessOrEqual(r, r.stats("G").InFlight, int64(40))
		require.Len(r, r.gather(reader, 100), 100)
		require.EqualValues(r, 100, r.stats("G").InFlight)
	})
}

func TestRocketMQ_ReportsAnAcknowledgementThatCameTooLate(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("in", "", "a")
		reader := open(r.T, RocketMQ(r.client, "in", "G", WithInvisible(minInvisible)))
		a := r.gather(reader, 1)[0]
		time.Sleep(time.Minute) // virtual: the lease ends
		err := a.batch.Settler.Settle(r.Context(), []stage.Outcome{{Index: a.index}})
		require.ErrorIs(r, err, client.ErrReceiptExpired)
		again := r.gather(reader, 1)[0]
		require.Equal(r, a.body, again.body)
		require.NoError(r, a.batch.Settler.Settle(r.Context(), []stage.Outcome{{Index: a.index, Err: stage.ErrHandedBack}}),
			"what is handed back late comes again all the same")
	})
}

func TestRocketMQ_OpenFailsForGoodWhere(t *testing.T) {
	inBubble(t, func(r *rig) {
		for name, c := range map[string]struct {
			src  *RocketMQSource
			text string
		}{
			"there is no topic":       {RocketMQ(r.client, "missing", "G"), "create the topic"},
			"there is no group":       {RocketMQ(r.client, "in", "missing"), "create the consumer group"},
			"the group has no name":   {RocketMQ(r.client, "in", ""), "consumer group: is empty"},
			"the lease is too short":  {RocketMQ(r.client, "in", "G", WithInvisible(time.Second)), "between 10s and 12h"},
			"the lease is too long":   {RocketMQ(r.client, "in", "G", WithInvisible(13*time.Hour)), "between 10s and 12h"},
			"nothing may be polled":   {RocketMQ(r.client, "in", "G", WithPolls(0), WithPrefetch(0, 0), WithLogger(nil)), "WithPolls"},
			"the filter has no words": {RocketMQ(r.client, "in", "G", WithFilter(client.SQL(" "))), "SQL expression is empty"},
		} {
			_, err := c.src.Open(r.Context())
			require.ErrorContains(r, err, c.text, name)
			require.True(r, stage.IsPermanent(err), name)
		}
	})
}

func TestRocketMQ_OutlastsABrokerThatIsAway(t *testing.T) {
	inBubble(t, func(r *rig) {
		reader := open(r.T, RocketMQ(r.client, "in", "G"))
		require.NoError(r, r.broker.Close())
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Minute)
		defer cancel()
		_, err := reader.Read(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded, "a poll that fails does not end the source")
	})
}
