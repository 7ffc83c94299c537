package broker_test

import (
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func (r *rig) dead(group string) []broker.Stored { return r.broker.Messages("%DLQ%" + group) }

func TestDeadLetters_TakeWhatWasDeliveredOftenEnough(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		got, _ := r.pop("once", "N")
		r.Equal([]string{"one/1"}, got)
		r.Equal([]string{"one/2"}, r.later(12*time.Second, "once", "N"))
		r.Empty(r.dead("once"))
		began := time.Now()
		time.Sleep(12 * time.Second)
		code, _ := r.receive(r.request("once", "N"))
		r.Equal(v2.Code_MESSAGE_NOT_FOUND, code)
		r.InDelta(12, time.Since(began).Seconds(), 0.1, "it does not wait for more")
		r.Len(r.dead("once"), 1)
		stats, err := r.broker.GroupStats("once")
		r.NoError(err)
		r.EqualValues(1, stats.DeadLettered)
		r.Zero(stats.Backlog)
	})
}

func TestDeadLetters_TakeSeventeenDeliveriesByDefault(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		deliveries := 0
		for len(r.dead("G")) == 0 {
			deliveries += len(r.later(12*time.Second, "G", "N"))
		}
		r.Equal(17, deliveries)
	})
}

func TestForward_MovesAMessageToTheDeadLetters(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one", withTag("A"), func(m *v2.Message) {
			m.UserProperties = map[string]string{"k": "v"}
		})
		_, got := r.pop("G", "N")
		handle := handles(got...)[0]
		r.Equal(v2.Code_OK, r.forward("G", "N", handle))
		r.Equal(v2.Code_OK, r.forward("G", "N", handle), "a second time")
		dead := r.dead("G")
		r.Len(dead, 1)
		r.Equal("one", dead[0].ID)
		r.Equal("A", dead[0].Tag)
		r.Equal(map[string]string{"k": "v"}, dead[0].Properties)
		r.Equal("one", string(dead[0].Body))
		r.Empty(r.later(time.Minute, "G", "N"))
		read, _ := r.pop("G2", "%DLQ%G")
		r.Equal([]string{"one/1"}, read, "a topic like others")
	})
}

func TestForward_FindsTheMessageAfterItsHandleWasChanged(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "other")
		r.send("N", "one")
		_, got := r.pop("G", "N")
		_, changed := r.change("G", "N", handles(got...)[1], time.Minute, false)
		r.Equal(v2.Code_OK, r.forward("G", "N", changed))
		r.Equal("one", r.dead("G")[0].ID)
	})
}

func TestForward_RefusesWhatItCannotFind(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		r.pop("G", "N")
		tests := map[string]v2.Code{
			"?":                              v2.Code_INVALID_RECEIPT_HANDLE,
			"0 1 10000 0 0 broker-a 0 0":     v2.Code_INVALID_RECEIPT_HANDLE, // no ninth field
			"0 1 10000 0 0 broker-a 0 0 77":  v2.Code_INTERNAL_SERVER_ERROR,
			"0 1 10000 0 0 broker-a 0 9 0":   v2.Code_INTERNAL_SERVER_ERROR,
			"0 1 10000 0 0 broker-a 9 0 0":   v2.Code_INTERNAL_SERVER_ERROR,
			"0 1 10000 0 1 broker-a 0 0 0":   v2.Code_INTERNAL_SERVER_ERROR, // nothing was redelivered
			"0 1 10000 0 0 broker-a -1 -1 0": v2.Code_INTERNAL_SERVER_ERROR,
		}
		for handle, want := range tests {
			r.Equal(want, r.forward("G", "N", handle), handle)
		}
		r.Empty(r.dead("G"))
	})
}

func TestForward_NeedsSettings(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.forward("G", "N", "?"))
	})
}
