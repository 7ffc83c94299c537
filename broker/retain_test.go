package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// retaining runs a test with a broker that keeps 300 messages of a queue, where it can.
func retaining(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := standard()
		opts.Retain = 300
		test(newRig(t, opts))
	})
}

// sendMany sends n messages to a topic of one queue, with numbers from first on.
func (r *rig) sendMany(topic string, first, n int, change func(*v2.Message)) {
	for i := first; i < first+n; i++ {
		m := message(topic, fmt.Sprint(i), "x")
		change(m)
		code, _ := r.sent(m)
		r.Equal(v2.Code_OK, code)
	}
}

func TestRetain_DropsTheOldest(t *testing.T) {
	retaining(t, func(r *rig) {
		r.sendMany("N", 0, 2000, func(*v2.Message) {})
		kept := r.broker.Messages("N")
		r.Less(len(kept), 300+256)
		r.GreaterOrEqual(len(kept), 300)
		r.Equal("1999", kept[len(kept)-1].ID)
		r.register()
		_, got := r.pop("G", "N")
		r.Equal(kept[0].ID, got[0].GetSystemProperties().GetMessageId(), "where a new group begins")
	})
}

func TestRetain_KeepsWhatAGroupHasStillToReceive(t *testing.T) {
	for group, topic := range map[string]string{"G": "N", "O": "F"} {
		retaining(t, func(r *rig) {
			change := func(*v2.Message) {}
			if topic == "F" {
				change = withGroup("g")
			}
			r.register()
			r.sendMany(topic, 0, 1, change)
			_, held := r.pop(group, topic, batch(1), invisible(time.Hour))
			r.sendMany(topic, 1, 1000, change)
			stats, err := r.broker.GroupStats(group)
			r.NoError(err)
			r.EqualValues(1001, stats.Backlog)
			r.Equal([]v2.Code{v2.Code_OK}, r.ack(group, topic, handles(held...)...))
			for want := 1; want <= 1000; {
				_, got := r.pop(group, topic)
				r.NotEmpty(got)
				for _, m := range got {
					r.Equal(fmt.Sprint(want), m.GetSystemProperties().GetMessageId())
					want++
				}
				r.ack(group, topic, handles(got...)...)
			}
			r.sendMany(topic, 1001, 1, change)
			r.Less(len(r.broker.Messages(topic)), 300+256)
		})
	}
}

func TestRetain_KeepsWhatIsInFlight(t *testing.T) {
	retaining(t, func(r *rig) {
		r.register()
		r.sendMany("N", 0, 2, func(*v2.Message) {})
		_, first := r.pop("G", "N")
		r.sendMany("N", 2, 598, func(*v2.Message) {})
		for taken := 2; taken < 600; {
			_, got := r.pop("G", "N")
			r.ack("G", "N", handles(got...)...)
			taken += len(got)
		}
		r.sendMany("N", 600, 1, func(*v2.Message) {})
		r.NotEqual("0", r.broker.Messages("N")[0].ID, "dropped")
		r.Equal(v2.Code_OK, r.forward("G", "N", handles(first[0])[0]))
		r.Equal("0", r.dead("G")[0].ID)
		r.Equal(v2.Code_OK, r.ack("G", "N", handles(first[0])[0])[0], "settled, and gone")
		r.pop("G", "N")
		time.Sleep(13 * time.Second)
		_, back := r.pop("G", "N")
		ids := map[string]int32{}
		for _, m := range back {
			ids[m.GetSystemProperties().GetMessageId()] = m.GetSystemProperties().GetDeliveryAttempt()
		}
		r.Equal(map[string]int32{"1": 2, "600": 2}, ids)
	})
}

func TestRetain_DropsRedeliveriesThatWereHandedOut(t *testing.T) {
	const n = 900
	retaining(t, func(r *rig) {
		r.register()
		r.pop("G", "N", batch(0)) // so that the group reads the topic
		r.sendMany("N", 0, n, func(*v2.Message) {})
		for taken := 0; taken < n; {
			_, got := r.pop("G", "N")
			for _, m := range got {
				r.change("G", "N", handles(m)[0], 10*time.Second, false)
			}
			taken += len(got)
		}
		time.Sleep(13 * time.Second)
		r.Equal(n, len(r.broker.Messages("%RETRY%G_N")), "all are still to come")
		for taken := 0; taken < n; {
			_, got := r.pop("G", "N")
			r.NotEmpty(got)
			r.ack("G", "N", handles(got...)...)
			taken += len(got)
		}
		r.sendMany("N", n, 1, func(*v2.Message) {})
		r.pop("G", "N")
		time.Sleep(13 * time.Second)
		r.Less(len(r.broker.Messages("%RETRY%G_N")), 300+256)
		got, _ := r.pop("G", "N")
		r.Equal([]string{"x/2"}, got)
	})
}
