package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

func (r *rig) unsettled() []string {
	all := []string{}
	for _, u := range r.broker.Unsettled() {
		all = append(all, u.String())
	}
	return all
}

func TestUnsettled_TellsWhatWasReceivedAndNotSettled(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, id := range []string{"a", "b", "c", "d"} {
			r.send("N", id)
		}
		_, messages := r.pop("G", "N", batch(3))
		r.ack("G", "N", handles(messages[0])...)
		r.Equal([]string{
			"group G, topic N: message b, received 1 times, in flight",
			"group G, topic N: message c, received 1 times, in flight",
		}, r.unsettled())
		time.Sleep(15 * time.Second)
		r.Equal([]string{
			"group G, topic N: message b, received 1 times, waits to be delivered again",
			"group G, topic N: message c, received 1 times, waits to be delivered again",
		}, r.unsettled())
		_, messages = r.pop("G", "N", batch(1))
		r.pop("G", "N")
		r.Equal(v2.Code_OK, r.forward("G", "N", handles(messages...)[0]))
		r.Len(r.unsettled(), 2)
	})
}

func TestUnsettled_TellsOfOrderedGroupsToo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, id := range []string{"a", "b", "c"} {
			r.send("F", id, withGroup("g"))
		}
		_, messages := r.pop("O", "F", batch(2))
		r.ack("O", "F", handles(messages[1])...)
		r.Equal([]string{"group O, topic F: message a, received 1 times, in flight"}, r.unsettled())
		time.Sleep(15 * time.Second)
		r.Equal([]string{"group O, topic F: message a, received 1 times, waits to be delivered again"}, r.unsettled())
		_, messages = r.pop("O", "F")
		r.Len(messages, 2)
		r.ack("O", "F", handles(messages...)...)
		r.Empty(r.unsettled())
	})
}

func TestUnsettled_LeavesOutWhatReachedNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, body := range numbered(8) {
			r.send("N", body)
		}
		r.breakOff("G", "N", invisible(time.Minute))
		synctest.Wait()
		reached := len(r.unsettled())
		r.Positive(reached)
		r.Less(reached, 8)
	})
}
