package sources

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Rule 8, on a group that is FIFO in the server.
func TestRocketMQ_KeepsTheOrderOfAMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2", "3")
		reader := open(r.T, RocketMQ(r.client, "steps", "O"))
		require.True(r, reader.(stage.SourceDescriber).SourceTraits().Keyed)
		got := r.gather(reader, 3)
		require.Equal(r, []string{"1", "2", "3"}, texts(got))
		require.Equal(r, "g", got[0].batch.Info(0).Key)
		began := time.Now()
		got[1].settle(r.T, errBroken)
		got[2].settle(r.T, stage.ErrHandedBack)
		got[0].settle(r.T, nil)
		again := r.gather(reader, 2)
		require.Equal(r, []string{"2", "3"}, texts(again))
		require.InDelta(r, 30, time.Since(began).Seconds(), 3)
	})
}

func TestRocketMQ_CountsFailuresOfAFIFOGroupAndMovesToTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1")
		reader := open(r.T, RocketMQ(r.client, "steps", "O")) // at most 2 deliveries
		for range 2 {
			r.gather(reader, 1)[0].settle(r.T, errBroken)
		}
		dead := r.broker.Messages("%DLQ%O")
		require.Len(r, dead, 1, "at once, and not when the server finds it has been delivered too often")
		require.Equal(r, "1", string(dead[0].Body))
		r.send("steps", "g", "2")
		a := r.gather(reader, 1)[0]
		require.Equal(r, "2", a.body)
		a.settle(r.T, nil)
		require.Zero(r, r.stats("O").Backlog)
	})
}

// The server counts what is handed back behind a failed message of a FIFO group, and would move it to
// the dead letters untried.
func TestRocketMQ_SparesTheMessagesBehindAFailedOne(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2", "3")
		reader := open(r.T, RocketMQ(r.client, "steps", "O")) // at most 2 deliveries
		for range 2 {
			got := r.gather(reader, 3)
			require.Equal(r, []string{"1", "2", "3"}, texts(got))
			got[0].settle(r.T, errBroken)
			got[1].settle(r.T, stage.ErrHandedBack)
			got[2].settle(r.T, stage.ErrHandedBack)
		}
		got := r.gather(reader, 2)
		require.Equal(r, []string{"2", "3"}, texts(got))
		got[0].settle(r.T, errBroken)
		got[1].settle(r.T, stage.ErrHandedBack)
		got = r.gather(reader, 2)
		require.Equal(r, 2, got[0].batch.Info(0).Attempt)
		got[0].settle(r.T, nil)
		got[1].settle(r.T, nil)
		require.Len(r, r.broker.Messages("%DLQ%O"), 1)
		require.Zero(r, r.stats("O").Backlog)
	})
}

func TestRocketMQ_HoldsBackNothingOfOtherMessageGroups(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2")
		r.send("steps", "h", "3")
		reader := open(r.T, RocketMQ(r.client, "steps", "O"))
		got := r.gather(reader, 3)
		got[0].settle(r.T, errBroken)
		got[2].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 1)
		require.Equal(r, []string{"3"}, texts(again))
		again[0].settle(r.T, nil)
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute) // longer than the backoff
		defer cancel()
		_, err := reader.Read(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded, "g still has a message out")
		got[1].settle(r.T, stage.ErrHandedBack)
		require.Equal(r, []string{"1", "2"}, texts(r.gather(reader, 2)))
	})
}

func TestRocketMQ_GivesAMessageGroupBackWhoseLeaseIsTooShort(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2", "3")
		reader := open(r.T, RocketMQ(r.client, "steps", "O", WithInvisible(40*time.Second)))
		got := r.gather(reader, 3)
		began := time.Now()
		got[1].settle(r.T, stage.ErrHandedBack) // waits here until it is known that 1 does not
		got[0].settle(r.T, errBroken)           // 30 s of 40
		got[2].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 3)
		require.Equal(r, []string{"1", "2", "3"}, texts(again))
		require.InDelta(r, 30, time.Since(began).Seconds(), 3)
		require.Equal(r, 2, again[0].batch.Info(0).Attempt, "the server has counted")
		for _, a := range again {
			a.settle(r.T, nil)
		}
		require.Zero(r, r.stats("O").Backlog)
	})
}

func TestRocketMQ_CloseHandsBackTheMessageGroupsThatWait(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2")
		src := RocketMQ(r.client, "steps", "O")
		reader, err := src.Open(r.Context())
		require.NoError(r, err)
		got := r.gather(reader, 2)
		got[0].settle(r.T, errBroken)
		got[1].settle(r.T, stage.ErrHandedBack)
		require.NoError(r, reader.Close(r.Context()))
		began := time.Now()
		require.Equal(r, []string{"1", "2"}, texts(r.gather(open(r.T, src), 2)))
		require.Less(r, time.Since(began), 5*time.Second)
	})
}

func TestRocketMQ_GoesOnUnderTheLeaseOfARedelivery(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2")
		reader := open(r.T, RocketMQ(r.client, "steps", "O", WithInvisible(2*time.Minute)))
		got := r.gather(reader, 2)
		got[0].settle(r.T, errBroken)
		time.Sleep(3 * time.Minute) // virtual: the lease ends, and the server delivers again
		got[1].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 2)
		require.Equal(r, []string{"1", "2"}, texts(again))
		for _, a := range again {
			a.settle(r.T, nil)
		}
		require.Zero(r, r.stats("O").Backlog)
	})
}

// Were a message group begun anew while messages of it are out under a lease that has ended, those that
// the pipeline turns back later would not be told from those that follow.
func TestRocketMQ_BeginsAMessageGroupAnewWhenNothingOfItIsOut(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2")
		reader := open(r.T, RocketMQ(r.client, "steps", "O", WithInvisible(time.Minute)))
		got := r.gather(reader, 2)
		time.Sleep(70 * time.Second) // virtual: the leases end, and the server delivers again
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		_, err := reader.Read(ctx)
		require.ErrorIs(r, err, context.DeadlineExceeded, "g still has messages out")
		got[1].settle(r.T, stage.ErrHandedBack)
		got[0].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 2)
		require.Equal(r, []string{"1", "2"}, texts(again))
		for _, a := range again {
			a.settle(r.T, nil)
		}
		require.Zero(r, r.stats("O").Backlog)
	})
}

// The second message waits when the lease of both ends, and the first is still out.
func TestRocketMQ_LinesUpWhatComesAgainBeforeWhatWaitsBehindIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("steps", "g", "1", "2", "3")
		reader := open(r.T, RocketMQ(r.client, "steps", "O", WithInvisible(time.Minute)))
		got := r.gather(reader, 3)
		got[1].settle(r.T, stage.ErrHandedBack)
		time.Sleep(70 * time.Second) // virtual: the leases end, and the server delivers again
		got[2].settle(r.T, stage.ErrHandedBack)
		got[0].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 3)
		require.Equal(r, []string{"1", "2", "3"}, texts(again))
		for _, a := range again {
			a.settle(r.T, nil)
		}
		require.Zero(r, r.stats("O").Backlog)
	})
}

// What a producer sends again, since no answer came, is stored as another message of the same id.
func TestRocketMQ_TakesAMessageThatWasStoredTwiceForTwo(t *testing.T) {
	inBubble(t, func(r *rig) {
		brokertest.Inject(r.T, r.broker, broker.Fault{On: broker.Match{RPC: "SendMessage"}, Times: 1, Do: broker.DropResponse()})
		r.send("steps", "g", "1", "2")
		reader := open(r.T, RocketMQ(r.client, "steps", "O"))
		got := r.gather(reader, 3)
		require.Equal(r, []string{"1", "1", "2"}, texts(got))
		require.Equal(r, got[0].batch.Info(0).ID, got[0].batch.Info(1).ID)
		require.NotEqual(r, got[0].batch.Info(0).Position, got[0].batch.Info(1).Position)
		got[0].settle(r.T, errBroken)
		got[1].settle(r.T, stage.ErrHandedBack)
		got[2].settle(r.T, stage.ErrHandedBack)
		again := r.gather(reader, 3)
		require.Equal(r, []string{"1", "1", "2"}, texts(again))
		require.Equal(r, got[0].batch.Info(0).Position, again[0].batch.Info(0).Position)
		for _, a := range again {
			a.settle(r.T, nil)
		}
		require.Zero(r, r.stats("O").Backlog)
	})
}
