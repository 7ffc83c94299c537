package broker_test

import (
	"fmt"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func deliverAt(at time.Time) func(*v2.Message) { return deliverIn(time.Until(at)) }

func TestDelay_DeliversAfterTheSecondInWhichItsTimeLies(t *testing.T) {
	// The bubble's time begins at a whole second.
	for ahead, want := range map[time.Duration]time.Duration{
		time.Millisecond:        1050 * time.Millisecond,
		300 * time.Millisecond:  1050 * time.Millisecond,
		time.Second:             1050 * time.Millisecond,
		1001 * time.Millisecond: 2050 * time.Millisecond,
		4700 * time.Millisecond: 5050 * time.Millisecond,
		24 * time.Hour:          24*time.Hour + 50*time.Millisecond,
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.send("D", "later", deliverIn(ahead))
				time.Sleep(want - time.Millisecond)
				r.Empty(r.broker.Messages("D"))
				time.Sleep(2 * time.Millisecond)
				r.Len(r.broker.Messages("D"), 1)
			})
		})
	}
}

func TestDelay_ServesWhoWaitsForTheTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		at := time.Now().Add(3 * time.Second)
		r.send("D", "later", deliverAt(at))
		waiting := r.waiting("G", "D")
		r.Equal([]string{"later/1"}, <-waiting)
		r.Equal(50*time.Millisecond, time.Since(at))
	})
}

func TestDelay_TellsConsumersTheTimeThatWasAskedFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		at := time.Now().Add(1234 * time.Millisecond)
		r.send("D", "later", deliverAt(at))
		time.Sleep(2 * time.Second)
		_, got := r.pop("G", "D")
		sp := got[0].GetSystemProperties()
		r.Equal(v2.MessageType_DELAY, sp.GetMessageType())
		r.True(at.Equal(sp.GetDeliveryTimestamp().AsTime()))
		r.Equal(50*time.Millisecond, sp.GetStoreTimestamp().AsTime().Sub(at.Truncate(time.Second).Add(time.Second)))
	})
}

func TestDelay_KeepsTheOrderWithinASecond(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.NoError(r.broker.CreateTopic(broker.Topic{Name: "D1", Queues: 1, Type: broker.Delay}))
		for i := range 50 {
			r.send("D1", fmt.Sprint(i), deliverIn(time.Minute-time.Duration(i)*time.Millisecond))
		}
		time.Sleep(time.Minute + 50*time.Millisecond)
		for i, m := range r.broker.Messages("D1") {
			r.Equal(fmt.Sprint(i), m.ID)
		}
	})
}

func TestDelay_IsNoneForATimeThatIsPast(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, ahead := range []time.Duration{-time.Hour, 0} {
			m := message("D", "now", "now")
			deliverIn(ahead)(m)
			_, entries := r.sent(m)
			r.Empty(entries[0].GetRecallHandle())
		}
		r.Len(r.broker.Messages("D"), 2)
	})
}

func TestDelay_IsNotForBatches(t *testing.T) {
	inBubble(t, func(r *rig) {
		later, now := message("M", "later", "later"), message("M", "now", "now")
		deliverIn(time.Minute)(later)
		code, _ := r.sent(now, later)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, code)
		r.Empty(r.broker.Messages("M"))
	})
}
