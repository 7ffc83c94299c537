package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

// idsIn gives the ids of what is stored in a topic, without order.
func idsIn(r *rig, topic string) []string {
	ids := []string{}
	for _, m := range r.broker.Messages(topic) {
		ids = append(ids, m.ID)
	}
	return ids
}

// eachEnd runs a test for each way in which a broker can end, with recalls switched on.
func eachEnd(t *testing.T, test func(h *home, until func(*home, func(*rig)))) {
	t.Helper()
	for name, until := range ends() {
		t.Run(name, func(t *testing.T) {
			inHome(t, func(h *home) {
				h.opts.Recall = true
				test(h, until)
			})
		})
	}
}

func TestDir_DeliversLaterWhatWaits(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		due := time.Now().Add(time.Hour)
		until(h, func(r *rig) {
			r.delayed("first", time.Hour-time.Millisecond)
			r.delayed("second", time.Hour-2*time.Millisecond)
			r.delayed("tomorrow", 24*time.Hour)
		})
		time.Sleep(30 * time.Minute)
		until(h, func(r *rig) {
			time.Sleep(time.Until(due))
			r.Empty(r.broker.Messages("D"), "earlier than it was to be")
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			r.ElementsMatch([]string{"first", "second"}, idsIn(r, "D"))
			r.register()
			seen, _ := r.pop("G", "D")
			r.ElementsMatch([]string{"first/1", "second/1"}, seen)
		})
		until(h, func(r *rig) {
			time.Sleep(time.Hour)
			r.Len(r.broker.Messages("D"), 2, "stored again")
			time.Sleep(24 * time.Hour)
			r.Len(r.broker.Messages("D"), 3)
		})
	})
}

func TestDir_DeliversAtOnceWhatWasDueMeanwhile(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		until(h, func(r *rig) {
			r.NoError(r.broker.CreateTopic(broker.Topic{Name: "D1", Queues: 1, Type: broker.Delay}))
			for i := range 20 {
				r.send("D1", fmt.Sprint(i), deliverIn(time.Duration(1+i/10)*time.Minute))
			}
		})
		time.Sleep(time.Hour)
		for range 2 {
			until(h, func(r *rig) {
				synctest.Wait()
				ids := idsIn(r, "D1")
				r.Len(ids, 20)
				for i, id := range ids {
					r.Equal(fmt.Sprint(i), id)
				}
			})
		}
	})
}

func TestDir_RecallsWhatWasSentBefore(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		var before, after string
		until(h, func(r *rig) {
			before = r.delayed("recalled before", time.Hour)
			after = r.delayed("recalled after", time.Hour)
			r.delayed("sibling", time.Hour)
			r.Equal(v2.Code_OK, r.recall("D", before).GetStatus().GetCode())
		})
		until(h, func(r *rig) { r.Equal(v2.Code_OK, r.recall("D", after).GetStatus().GetCode()) })
		until(h, func(r *rig) {
			time.Sleep(2 * time.Hour)
			r.Equal([]string{"sibling"}, idsIn(r, "D"))
		})
		until(h, func(r *rig) { r.Equal([]string{"sibling"}, idsIn(r, "D")) })
	})
}

func TestDir_CountsWhatWaitsOn(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		for want := range int64(3) {
			until(h, func(r *rig) {
				r.Equal(want, r.send("D", "delayed", deliverIn(time.Second)))
				time.Sleep(time.Minute)
			})
		}
	})
}

func TestDir_HasNoDelayedMessageTwiceWhereverItsLogIsTorn(t *testing.T) {
	inHome(t, func(h *home) {
		most := 0
		h.afterEachTear(func(r *rig) {
			for i := range 6 {
				r.delayed(fmt.Sprint(i), time.Duration(1+i/2)*time.Second)
			}
			time.Sleep(2500 * time.Millisecond)
		}, func(r *rig) {
			time.Sleep(time.Minute)
			ids := idsIn(r, "D")
			r.GreaterOrEqual(len(ids), most)
			most = len(ids)
			for i := range ids {
				r.Contains(ids, fmt.Sprint(i))
			}
		})
		require.Equal(t, 6, most)
	})
}
