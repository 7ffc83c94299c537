package broker_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/broker"
)

const (
	leaveOpen = v2.TransactionResolution_TRANSACTION_RESOLUTION_UNSPECIFIED
	commit    = v2.TransactionResolution_COMMIT
	rollback  = v2.TransactionResolution_ROLLBACK

	byClient = v2.TransactionSource_SOURCE_CLIENT
	byCheck  = v2.TransactionSource_SOURCE_SERVER_CHECK
)

var inTransaction = ofType(v2.MessageType_TRANSACTION)

func recoverAfter(d time.Duration) func(*v2.Message) {
	return func(m *v2.Message) {
		inTransaction(m)
		m.SystemProperties.OrphanedTransactionRecoveryDuration = durationpb.New(d)
	}
}

// end ends a transaction of topic T and gives the code of the answer.
func (r *rig) end(id string, resolution v2.TransactionResolution, source v2.TransactionSource) v2.Code {
	return r.endOf("T", id, resolution, source)
}

func (r *rig) endOf(topic, id string, resolution v2.TransactionResolution, source v2.TransactionSource) v2.Code {
	answer, err := r.stub.EndTransaction(r.ctx, &v2.EndTransactionRequest{
		Topic: resource(topic), MessageId: id, TransactionId: id, Resolution: resolution, Source: source,
	})
	r.NoError(err)
	return answer.GetStatus().GetCode()
}

// asked is what a producer was asked to resolve, and when.
type asked struct {
	after time.Duration
	*v2.RecoverOrphanedTransactionCommand
}

// producer registers a producer of some topics whose stream stays open for the test. What it is
// asked about goes to answer, which may be nil. The function gives all that has been asked.
func (r *rig) producer(id string, answer func(asked), topics ...string) func() []asked {
	stream, err := r.stub.Telemetry(as(id))
	r.NoError(err)
	publishing := &v2.Publishing{}
	for _, topic := range topics {
		publishing.Topics = append(publishing.Topics, resource(topic))
	}
	r.NoError(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: &v2.Settings{
		ClientType: new(v2.ClientType_PRODUCER), PubSub: &v2.Settings_Publishing{Publishing: publishing},
	}}}))
	start := time.Now()
	all := make(chan asked, 1000)
	go func() {
		for {
			command, err := stream.Recv()
			if err != nil {
				return
			}
			if c := command.GetRecoverOrphanedTransactionCommand(); c != nil {
				a := asked{time.Since(start), c}
				all <- a
				if answer != nil {
					answer(a)
				}
			}
		}
	}()
	synctest.Wait()
	return func() []asked {
		synctest.Wait()
		got := []asked{}
		for len(all) > 0 {
			got = append(got, <-all)
		}
		return got
	}
}

// alive lets time pass in which a client heartbeats.
func (r *rig) alive(d time.Duration, clients ...string) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Until(end), 10*time.Second))
		for _, id := range clients {
			_, err := r.stub.Heartbeat(as(id), &v2.HeartbeatRequest{})
			r.NoError(err)
		}
	}
}

func TestTransaction_IsSeenOnceItIsCommitted(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("T", "tx", inTransaction, property("k", "v"))
		r.Empty(r.broker.Messages("T"))
		waiting := r.waiting("G", "T")
		r.Equal(v2.Code_OK, r.end("tx", commit, byClient))
		r.Equal([]string{"tx/1"}, <-waiting)
		m := r.broker.Messages("T")[0]
		r.Equal(map[string]string{"k": "v", "__transactionId__": "tx"}, m.Properties)
		time.Sleep(time.Hour)
		r.Len(r.broker.Messages("T"), 1)
	})
}

func TestTransaction_IsNeverSeenOnceItIsRolledBack(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", nil, "T")
		r.send("T", "tx", inTransaction)
		r.Equal(v2.Code_OK, r.end("tx", rollback, byClient))
		r.alive(10*time.Minute, "p")
		r.Empty(asked())
		r.Empty(r.broker.Messages("T"))
		r.Empty(r.broker.Messages("TRANS_CHECK_MAX_TIME_TOPIC"))
	})
}

func TestTransaction_CanBeEndedOnceFor30Seconds(t *testing.T) {
	missing := v2.Code_INTERNAL_SERVER_ERROR
	inBubble(t, func(r *rig) {
		r.Equal(v2.Code_INVALID_TRANSACTION_ID, r.end(" ", commit, byClient))
		r.Equal(v2.Code_ILLEGAL_TOPIC, r.endOf("", "tx", commit, byClient))
		r.Equal(missing, r.end("tx", commit, byClient))

		r.send("T", "twice", inTransaction)
		r.Equal(missing, r.endOf("M", "twice", commit, byClient))
		r.Equal(v2.Code_OK, r.end("twice", commit, byClient))
		r.Equal(missing, r.end("twice", commit, byClient))

		r.send("T", "open", inTransaction)
		r.Equal(v2.Code_OK, r.end("open", leaveOpen, byClient))
		r.Equal(v2.Code_OK, r.end("open", commit, byClient))

		r.send("T", "in time", inTransaction)
		r.send("T", "late", inTransaction)
		time.Sleep(30 * time.Second)
		r.Equal(v2.Code_OK, r.end("in time", commit, byClient))
		time.Sleep(time.Millisecond)
		r.Equal(missing, r.end("late", commit, byClient))
		r.Len(r.broker.Messages("T"), 3)
	})
}

func TestTransaction_IsTheLatestOfAnID(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("T", "same", inTransaction, property("n", "1"))
		time.Sleep(time.Second)
		r.send("T", "same", inTransaction, property("n", "2"))
		r.Equal(v2.Code_OK, r.end("same", commit, byClient))
		r.Equal("2", r.broker.Messages("T")[0].Properties["n"])
		r.Equal(v2.Code_OK, r.end("same", rollback, byClient))
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, r.end("same", commit, byClient))
		r.Len(r.broker.Messages("T"), 1)
	})
}

func TestTransaction_IsNotForBatches(t *testing.T) {
	inBubble(t, func(r *rig) {
		half := message("M", "half", "half")
		inTransaction(half)
		code, _ := r.sent(message("M", "whole", "whole"), half)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, code)
		r.Empty(r.broker.Messages("M"))
	})
}

func TestTransaction_IsCheckedEvery30SecondsAndThenGivenUp(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", nil, "other", "T")
		time.Sleep(time.Second)
		offset := r.send("T", "tx", inTransaction, property("k", "v"))
		r.alive(10*time.Minute, "p")
		all := asked()
		r.Len(all, 15)
		for i, a := range all {
			r.Equal(time.Duration(i+1)*30*time.Second, a.after)
			r.Equal("tx", a.GetTransactionId())
			m := a.GetMessage()
			r.Equal("T", m.GetTopic().GetName())
			r.Equal("tx", string(m.GetBody()))
			r.Equal("tx", m.GetSystemProperties().GetMessageId())
			r.Equal(offset+int64(i)+1, m.GetSystemProperties().GetQueueOffset())
			r.Equal(map[string]string{
				"k": "v", "__transactionId__": "tx", "TRANSACTION_CHECK_TIMES": strconv.Itoa(i + 1),
			}, m.GetUserProperties())
		}
		r.Empty(r.broker.Messages("T"))
		r.Equal("tx", r.broker.Messages("TRANS_CHECK_MAX_TIME_TOPIC")[0].ID)
	})
}

func TestTransaction_IsNotCheckedBeforeItIs6SecondsOld(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", nil, "T")
		time.Sleep(24*time.Second + time.Millisecond)
		r.send("T", "young", inTransaction)
		r.send("T", "born long ago", inTransaction, func(m *v2.Message) {
			m.SystemProperties.BornTimestamp = timestamppb.New(time.Now().Add(-time.Hour))
		})
		time.Sleep(6 * time.Second)
		all := asked()
		r.Len(all, 1)
		r.Equal("born long ago", all[0].GetTransactionId())
		time.Sleep(30 * time.Second)
		r.Len(asked(), 2)
	})
}

func TestTransaction_IsResolvedByTheAnswerToACheck(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", func(a asked) {
			resolution := map[string]v2.TransactionResolution{"good": commit, "bad": rollback}[a.GetTransactionId()]
			r.Equal(v2.Code_OK, r.end(a.GetTransactionId(), resolution, byCheck))
		}, "T")
		for _, id := range []string{"good", "bad", "unknown"} {
			r.send("T", id, inTransaction)
		}
		r.alive(time.Minute, "p")
		r.Len(asked(), 4) // of the unknown, twice
		stored := r.broker.Messages("T")
		r.Len(stored, 1)
		r.Equal("good", stored[0].ID)
		r.Equal("1", stored[0].Properties["TRANSACTION_CHECK_TIMES"])
	})
}

func TestTransaction_CanBeEndedByTheClientAfterACheck(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.producer("p", nil, "T")
		r.send("T", "tx", inTransaction)
		r.Equal(v2.Code_OK, r.end("tx", leaveOpen, byClient))
		time.Sleep(31 * time.Second)
		r.Equal(v2.Code_OK, r.end("tx", commit, byClient))
		r.Len(r.broker.Messages("T"), 1)
	})
}

func TestTransaction_LeavesTheWordToChecksAfterTheTimeForRecovery(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", func(a asked) {
			if a.GetMessage().GetUserProperties()["TRANSACTION_CHECK_TIMES"] == "2" {
				r.end(a.GetTransactionId(), commit, byCheck)
			}
		}, "T")
		r.send("T", "in time", recoverAfter(10*time.Second))
		r.send("T", "late", recoverAfter(10*time.Second))
		time.Sleep(10 * time.Second)
		r.Equal(v2.Code_OK, r.end("in time", commit, byClient))
		time.Sleep(time.Millisecond)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, r.end("late", commit, byClient))
		r.Len(r.broker.Messages("T"), 1)
		time.Sleep(30 * time.Second)
		r.Len(asked(), 1)
		time.Sleep(30 * time.Second)
		r.Len(r.broker.Messages("T"), 2)
		r.Equal("10", r.broker.Messages("T")[1].Properties["CHECK_IMMUNITY_TIME_IN_SECONDS"])
	})
}

func TestTransaction_IsNotCheckedBeforeTheTimeForRecovery(t *testing.T) {
	inBubble(t, func(r *rig) {
		asked := r.producer("p", nil, "T")
		r.send("T", "tx", recoverAfter(time.Hour))
		r.alive(time.Hour, "p")
		r.Empty(asked())
		r.alive(30*time.Second, "p")
		r.Len(asked(), 1)
	})
}

// The property by which the server remembers the time is not reserved: a user can set it.
func TestTransaction_TakesTheTimeForRecoveryFromAPropertyToo(t *testing.T) {
	for value, rounds := range map[string]int{"45": 2, "": 1, "-1": 1, "soon": 1, "9223372036854775807": 0} {
		t.Run(value, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				asked := r.producer("p", nil, "T")
				r.send("T", "tx", inTransaction, property("CHECK_IMMUNITY_TIME_IN_SECONDS", value))
				for round := 1; round <= 3; round++ {
					r.alive(30*time.Second, "p")
					synctest.Wait()
					r.Equal(rounds > 0 && round >= rounds, len(asked()) > 0, "round %d", round)
				}
			})
		})
	}
}

func TestTransaction_AsksTheTopicsProducersInTurn(t *testing.T) {
	inBubble(t, func(r *rig) {
		first, second := r.producer("p1", nil, "T"), r.producer("p2", nil, "T")
		other := r.producer("p3", nil, "M")
		for i := range 10 {
			r.send("T", strconv.Itoa(i), inTransaction)
		}
		time.Sleep(31 * time.Second)
		r.Len(first(), 5)
		r.Len(second(), 5)
		r.Empty(other())
	})
}

func TestTransaction_CountsChecksThatNobodyIsThereFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("T", "tx", inTransaction)
		time.Sleep(91 * time.Second)
		asked := r.producer("p", nil, "T")
		time.Sleep(30 * time.Second)
		all := asked()
		r.Len(all, 1)
		r.Equal("4", all[0].GetMessage().GetUserProperties()["TRANSACTION_CHECK_TIMES"])
	})
}

func TestTransaction_IsNotAskedOfWhoIsGone(t *testing.T) {
	inBubble(t, func(r *rig) {
		gone, there := r.producer("gone", nil, "T"), r.producer("there", nil, "T")
		_, err := r.stub.NotifyClientTermination(as("gone"), &v2.NotifyClientTerminationRequest{})
		r.NoError(err)
		r.send("T", "tx", inTransaction)
		r.alive(2*time.Minute, "there")
		r.Empty(gone())
		r.Len(there(), 4)
	})
}

func TestTransaction_MayEndInADelayOnAMixedTopic(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.send("M", "tx", inTransaction, deliverIn(time.Minute))
		r.Equal(v2.Code_OK, r.endOf("M", "tx", commit, byClient))
		r.Empty(r.broker.Messages("M"))
		time.Sleep(time.Minute + time.Second)
		r.Len(r.broker.Messages("M"), 1)
	})
}

func TestTransaction_FollowsTheLimits(t *testing.T) {
	opts := standard()
	opts.Limits = broker.Limits{
		TransactionCheckInterval: time.Second, TransactionTimeout: 500 * time.Millisecond,
		TransactionMaxChecks: 2, TransactionExpiry: 3 * time.Second,
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, opts)
		asked := r.producer("p", nil, "T")
		r.send("T", "tx", inTransaction)
		time.Sleep(5*time.Second + time.Millisecond)
		r.Len(asked(), 2)
		r.Len(r.broker.Messages("TRANS_CHECK_MAX_TIME_TOPIC"), 1)
	})
}
