package broker_test

import (
	"strconv"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func withPriority(n int32) func(*v2.Message) {
	return func(m *v2.Message) { m.SystemProperties.Priority = &n }
}

// prioritized runs a test with a priority topic P4 of 4 queues that a client may read.
func prioritized(t *testing.T, test func(r *rig)) {
	t.Helper()
	inBubble(t, func(r *rig) {
		r.NoError(r.broker.CreateTopic(broker.Topic{Name: "P4", Queues: 4, Type: broker.Priority}))
		r.register()
		test(r)
	})
}

func TestPriority_HighestComesFirst(t *testing.T) {
	prioritized(t, func(r *rig) {
		for _, n := range []int32{0, 1, 2, 3, 7, 0, 3} {
			r.send("P4", strconv.Itoa(int(n)), withPriority(n))
		}
		seen, got := r.pop("G", "P4")
		r.Equal([]string{"3/1", "7/1", "3/1", "2/1", "1/1", "0/1", "0/1"}, seen)
		for _, m := range got {
			r.Equal(string(m.GetBody()), strconv.Itoa(int(m.GetSystemProperties().GetPriority())))
			r.Equal(v2.MessageType_PRIORITY, m.GetSystemProperties().GetMessageType())
		}
		r.EqualValues(7, *r.broker.Messages("P4")[5].Priority)
	})
}

func TestPriority_ComesBeforeRedeliveries(t *testing.T) {
	prioritized(t, func(r *rig) {
		r.send("P4", "again", withPriority(3))
		r.pop("G", "P4")
		time.Sleep(12 * time.Second)
		for range 10 {
			r.send("P4", "new", withPriority(0))
			seen, _ := r.pop("G", "P4", batch(1))
			r.Equal([]string{"new/1"}, seen)
		}
		seen, got := r.pop("G", "P4", batch(1))
		r.Equal([]string{"again/2"}, seen)
		r.EqualValues(3, got[0].GetSystemProperties().GetPriority())
	})
}

func TestPriority_IsNotForOrderedGroups(t *testing.T) {
	prioritized(t, func(r *rig) {
		first := map[string]bool{}
		for range 8 {
			for n := range int32(4) {
				r.send("P4", strconv.Itoa(int(n)), withPriority(n))
			}
			_, got := r.pop("O", "P4")
			r.Len(got, 4)
			r.ack("O", "P4", handles(got...)...)
			first[string(got[0].GetBody())] = true
		}
		r.Greater(len(first), 1, "the same queue first each time")
	})
}

func TestPriority_IsForgottenByAMessageOfAMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("F", "x", withGroup("g"), withPriority(1))
		_, got := r.pop("G", "F")
		r.Nil(got[0].GetSystemProperties().Priority)
		r.Nil(r.broker.Messages("F")[0].Priority)
	})
}
