package broker_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

const (
	abandonedTopic = "TRANS_CHECK_MAX_TIME_TOPIC"
	noTransaction  = v2.Code_INTERNAL_SERVER_ERROR
)

func TestDir_EndsTransactionsThatWereBegunBefore(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		until(h, func(r *rig) {
			for _, id := range []string{"committed before", "rolled back before", "too late", "left open", "committed", "rolled back"} {
				r.send("T", id, inTransaction, property("k", "v"))
			}
			r.Equal(v2.Code_OK, r.end("committed before", commit, byClient))
			r.Equal(v2.Code_OK, r.end("rolled back before", rollback, byClient))
			r.send("T", "refused", recoverAfter(time.Second))
			time.Sleep(10 * time.Second)
			r.Equal(noTransaction, r.end("refused", commit, byClient))
		})
		time.Sleep(10 * time.Second)
		until(h, func(r *rig) {
			for _, id := range []string{"committed before", "rolled back before", "refused"} {
				r.Equal(noTransaction, r.end(id, commit, byCheck), id)
			}
			r.Equal(v2.Code_OK, r.end("left open", leaveOpen, byClient))
			r.Equal(v2.Code_OK, r.end("committed", commit, byClient))
			r.Equal(v2.Code_OK, r.end("rolled back", rollback, byClient))
		})
		time.Sleep(11 * time.Second)
		until(h, func(r *rig) {
			for _, id := range []string{"committed", "rolled back", "too late", "left open"} {
				r.Equal(noTransaction, r.end(id, commit, byClient), id)
			}
			r.ElementsMatch([]string{"committed before", "committed"}, idsIn(r, "T"))
			r.Equal(map[string]string{"k": "v", "__transactionId__": "committed"}, propertiesOf(r, "T", "committed"))
			time.Sleep(time.Hour)
			r.ElementsMatch([]string{"refused", "too late", "left open"}, idsIn(r, abandonedTopic))
			r.Len(r.broker.Messages("T"), 2)
		})
		until(h, func(r *rig) { r.Len(r.broker.Messages(abandonedTopic), 3) })
	})
}

// propertiesOf gives the properties of a message that is stored.
func propertiesOf(r *rig, topic, id string) map[string]string {
	all := r.broker.Messages(topic)
	i := slices.IndexFunc(all, func(m broker.Stored) bool { return m.ID == id })
	r.GreaterOrEqual(i, 0, "%s is not in %s", id, topic)
	return all[i].Properties
}

// The rounds of checks go on as they did, and so does what they have counted.
func TestDir_ChecksTransactionsThatWereBegunBefore(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		begun, checks := time.Now(), 0
		var offset int64
		next := func(r *rig, rounds int) {
			asked := r.producer("p", nil, "T")
			r.alive(time.Until(begun.Add(time.Duration(checks+rounds)*30*time.Second))+time.Second, "p")
			all := asked()
			r.Len(all, rounds)
			for _, a := range all {
				checks++
				offset++
				r.Equal("tx", a.GetTransactionId())
				r.Equal(strconv.Itoa(checks), a.GetMessage().GetUserProperties()["TRANSACTION_CHECK_TIMES"])
				r.Equal(offset, a.GetMessage().GetSystemProperties().GetQueueOffset())
			}
		}
		until(h, func(r *rig) {
			offset = r.send("T", "tx", inTransaction)
			next(r, 2)
		})
		time.Sleep(10 * time.Second)
		until(h, func(r *rig) { next(r, 3) })
		begun = begun.Add(time.Minute) // two rounds that there is nobody to make
		time.Sleep(time.Minute)
		until(h, func(r *rig) { next(r, 10) })
		until(h, func(r *rig) {
			asked := r.producer("p", nil, "T")
			r.alive(2*time.Minute, "p")
			r.Empty(asked())
			r.Equal("15", propertiesOf(r, abandonedTopic, "tx")["TRANSACTION_CHECK_TIMES"])
			r.Equal(offset+1, r.send("T", "another", inTransaction))
		})
	})
}

func TestDir_HearsTheAnswerToACheckThatWasMadeBefore(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		until(h, func(r *rig) {
			asked := r.producer("p", nil, "T")
			r.send("T", "tx", inTransaction)
			r.Equal(v2.Code_OK, r.end("tx", leaveOpen, byClient))
			time.Sleep(31 * time.Second)
			r.Len(asked(), 1)
		})
		until(h, func(r *rig) { r.Equal(v2.Code_OK, r.end("tx", commit, byCheck)) })
		until(h, func(r *rig) { r.Equal([]string{"tx"}, idsIn(r, "T")) })
	})
}

func TestDir_KeepsTheTimeForTheRecoveryOfATransaction(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		until(h, func(r *rig) { r.send("T", "tx", recoverAfter(5*time.Minute)) })
		time.Sleep(time.Second)
		until(h, func(r *rig) {
			asked := r.producer("p", nil, "T")
			r.alive(5*time.Minute, "p")
			r.Empty(asked())
			r.alive(30*time.Second, "p")
			r.Len(asked(), 1)
		})
	})
}

func TestDir_DeliversLaterWhatWasCommittedBefore(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		later := func(m *v2.Message) {
			inTransaction(m)
			deliverIn(time.Hour)(m)
		}
		until(h, func(r *rig) {
			r.send("M", "tx", later)
			r.Equal(v2.Code_OK, r.endOf("M", "tx", commit, byClient))
		})
		until(h, func(r *rig) {
			time.Sleep(59 * time.Minute)
			r.Empty(r.broker.Messages("M"))
			time.Sleep(2 * time.Minute)
			r.Equal([]string{"tx"}, idsIn(r, "M"))
		})
		until(h, func(r *rig) {
			time.Sleep(time.Hour)
			r.Equal([]string{"tx"}, idsIn(r, "M"))
			r.Empty(r.broker.Messages(abandonedTopic))
		})
	})
}

func TestDir_HasEachTransactionInOnePlaceWhereverItsLogIsTorn(t *testing.T) {
	inHome(t, func(h *home) {
		h.opts.Limits.TransactionMaxChecks = 2
		most := 0
		h.afterEachTear(func(r *rig) {
			asked := r.producer("p", nil, "M")
			for i := range 5 {
				r.send("M", fmt.Sprint(i), inTransaction)
			}
			r.send("M", "5", inTransaction, deliverIn(20*time.Second))
			for _, id := range []string{"0", "5"} {
				r.Equal(v2.Code_OK, r.endOf("M", id, commit, byClient))
			}
			r.Equal(v2.Code_OK, r.endOf("M", "1", leaveOpen, byClient))
			r.alive(40*time.Second, "p")
			r.Len(asked(), 4)
			r.Equal(v2.Code_OK, r.endOf("M", "2", commit, byCheck))
			r.alive(time.Minute, "p") // the others are given up
		}, func(r *rig) {
			time.Sleep(3 * time.Minute)
			ids := append(idsIn(r, "M"), idsIn(r, abandonedTopic)...)
			r.GreaterOrEqual(len(ids), most)
			most = len(ids)
			for i := range ids {
				r.Contains(ids, fmt.Sprint(i))
			}
		})
		require.Equal(t, 6, most)
	})
}
