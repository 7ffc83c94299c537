package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestLite_GivesAClientWhatItSubscribesTo(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.sendLite("a", 1, 2)
		r.sendLite("b", 1, 1)
		r.sendLite("c", 1, 1)
		c := r.lite("one", "lite")
		got, _ := c.take()
		r.Empty(got, "subscribed to nothing")
		c.subscribe("a", "c")
		got, messages := c.take()
		r.Equal([]string{"a1/1", "a2/1", "c1/1"}, got)
		for i, want := range []int64{0, 1, 0} {
			sp := messages[i].GetSystemProperties()
			r.Equal(want, sp.GetQueueOffset())
			r.Zero(sp.GetQueueId())
			r.Equal(string(messages[i].GetBody()[:1]), sp.GetLiteTopic())
			r.Equal(v2.MessageType_LITE, sp.GetMessageType())
		}
		c.settled(messages...)
		got, _ = c.take()
		r.Empty(got)
	})
}

func TestLite_GivesEachGroupItsOwn(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.sendLite("a", 1, 1)
		for _, group := range []string{"lite", "other"} {
			c := r.lite(group, group)
			c.subscribe("a")
			got, _ := c.take()
			r.Equal([]string{"a1/1"}, got)
		}
		r.register()
		got, _ := r.pop("G", "L")
		r.Equal([]string{"a1/1"}, got, "an ordinary group reads the parent as an ordinary topic")
	})
}

func TestLite_TakesEachLiteTopicInOrder(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b")
		r.sendLite("a", 1, 3)
		got, first := c.take(batch(2))
		r.Equal([]string{"a1/1", "a2/1"}, got)
		r.sendLite("b", 1, 1)
		got, _ = c.take()
		r.Equal([]string{"b1/1"}, got, "another lite topic goes on")
		waiter := c.awaiting()
		c.settled(first[1])
		synctest.Wait()
		r.Empty(waiter)
		c.settled(first[0])
		r.Equal([]string{"a3/1"}, <-waiter)
	})
}

func TestLite_RedeliversWhenTheLeaseIsOver(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 3)
		_, first := c.take(batch(2))
		c.settled(first[1])
		began := time.Now()
		r.Equal([]string{"a1/2", "a3/1"}, <-c.awaiting())
		r.InDelta(10, time.Since(began).Seconds(), 0.1)
		r.Equal([]v2.Code{v2.Code_INVALID_RECEIPT_HANDLE}, c.settle(first[0]))
	})
}

func TestLite_ServesWhoWaitsWhenItSubscribes(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.sendLite("a", 1, 1)
		r.sendLite("b", 1, 1)
		c := r.lite("one", "lite")
		waiter := c.awaiting()
		c.subscribe("a")
		r.Equal([]string{"a1/1"}, <-waiter)
		waiter = c.awaiting()
		c.set("b")
		r.Equal([]string{"b1/1"}, <-waiter)
		waiter = c.awaiting()
		c.subscribe("new")
		r.sendLite("new", 1, 1)
		r.Equal([]string{"new1/1"}, <-waiter)
	})
}

func TestLite_SharesALiteTopicWithinTheGroup(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		one, two := r.lite("one", "lite"), r.lite("two", "lite")
		one.subscribe("a")
		two.subscribe("a")
		r.sendLite("a", 1, 2)
		_, first := one.take(batch(1))
		got, _ := two.take()
		r.Empty(got, "in order, whoever holds it")
		waiter := two.awaiting()
		one.settled(first...)
		r.Equal([]string{"a2/1"}, <-waiter)
		r.Empty(one.notified)
	})
}

func TestLite_ServesOnlyThoseWhoSubscribed(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		one, two := r.lite("one", "lite"), r.lite("two", "lite")
		one.subscribe("a")
		two.subscribe("b")
		first, second := one.awaiting(), two.awaiting()
		r.sendLite("b", 1, 1)
		r.Equal([]string{"b1/1"}, <-second)
		synctest.Wait()
		r.Empty(first)
		r.sendLite("a", 1, 1)
		r.Equal([]string{"a1/1"}, <-first)
	})
}

func TestLite_SuspendsTheWholeLiteTopic(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b")
		r.sendLite("a", 1, 3)
		r.sendLite("b", 1, 1)
		_, first := c.take()
		c.settled(first[0])
		c.hide(first[2], 2*time.Second, true)
		began := time.Now()
		r.Equal([]string{"a2/1", "a3/1"}, <-c.awaiting(), "not counted as attempts")
		r.InDelta(2, time.Since(began).Seconds(), 0.1)
	})
}

func TestLite_TakesBackAnAttemptOnceHoweverOftenItIsSuspended(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		for range 3 {
			_, got := c.take()
			for _, m := range got {
				c.hide(m, time.Second, true)
			}
			time.Sleep(2 * time.Second)
		}
		r.Equal([]string{"a1/1", "a2/1"}, <-c.awaiting())
	})
}

func TestLite_ChangesOneMessageUnlessItSuspends(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		_, first := c.take()
		c.hide(first[0], 2*time.Second, false)
		began := time.Now()
		r.Equal([]string{"a1/2", "a2/2"}, <-c.awaiting(), "when both are visible")
		r.InDelta(10, time.Since(began).Seconds(), 0.1)
		_, again := c.take()
		r.Empty(again)
	})
}

func TestLite_AcknowledgesWhatWasChanged(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 1)
		_, first := c.take()
		c.hide(first[0], time.Hour, false)
		time.Sleep(time.Minute)
		c.settled(first...)
		r.sendLite("a", 2, 2)
		got, _ := c.take()
		r.Equal([]string{"a2/1"}, got)
	})
}

func TestLite_ForwardsToTheDeadLetters(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		_, first := c.take(batch(1))
		r.Equal(v2.Code_OK, c.bury(first[0]))
		got, _ := c.take()
		r.Equal([]string{"a2/1"}, got)
		r.Equal("a1", r.dead("lite")[0].ID)
		r.Equal("a", r.dead("lite")[0].LiteTopic)
		stats, err := r.broker.GroupStats("lite")
		r.NoError(err)
		r.Equal(broker.Progress{Backlog: 1, InFlight: 1, DeadLettered: 1}, stats.Progress)
	})
}

func TestLite_BuriesWhatWasDeliveredEnough(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "once")
		c.subscribe("a")
		r.sendLite("a", 1, 1)
		got, _ := c.take()
		r.Equal([]string{"a1/1"}, got)
		time.Sleep(10 * time.Second)
		got, _ = c.take()
		r.Empty(got)
		r.Len(r.dead("once"), 1)
	})
}

func TestLite_BeginsWhereTheClientWants(t *testing.T) {
	const last, least, end = v2.OffsetOption_LAST, v2.OffsetOption_MIN, v2.OffsetOption_MAX
	tests := []struct {
		name string
		from *v2.OffsetOption
		want []string
	}{
		{"no option", nil, []string{"a3/1", "a4/1"}},
		{"last", policy(last), []string{"a3/1", "a4/1"}},
		{"the beginning", policy(least), []string{"a1/1", "a2/1", "a3/1", "a4/1"}},
		{"the end", policy(end), []string{}},
		{"an offset", offset(1), []string{"a2/1", "a3/1", "a4/1"}},
		{"an offset that is not there yet", offset(99), []string{}},
		{"an offset that never was", offset(-1), []string{"a3/1", "a4/1"}},
		{"some before the last", tail(1), []string{"a2/1", "a3/1", "a4/1"}},
		{"more before the last than there are", tail(99), []string{"a1/1", "a2/1", "a3/1", "a4/1"}},
		{"a time, which is ignored", &v2.OffsetOption{OffsetType: &v2.OffsetOption_Timestamp{Timestamp: 1}}, []string{"a3/1", "a4/1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withLiteTopics(t, func(r *rig) {
				r.sendLite("a", 1, 4)
				c := r.lite("one", "lite")
				c.subscribe("a")
				_, first := c.take(batch(2))
				c.settled(first...)
				c.unsubscribe("a")
				c.subscribeFrom(test.from, "a")
				got, _ := c.take()
				r.Equal(test.want, got)
			})
		})
	}
}

func TestLite_ForgetsWhatIsOutWhenItBeginsElsewhere(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.sendLite("a", 1, 2)
		c := r.lite("one", "lite")
		c.subscribe("a")
		_, first := c.take()
		c.subscribeFrom(offset(1), "a")
		got, second := c.take()
		r.Equal([]string{"a2/1"}, got)
		c.settled(first...)
		got, _ = c.take()
		r.Empty(got, "what was out before the reset settles nothing")
		c.settled(second...)
		r.sendLite("a", 3, 3)
		got, _ = c.take()
		r.Equal([]string{"a3/1"}, got)
	})
}

func TestLite_RefusesMoreToAClientThatHoldsTooMany(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		for i := range 102 {
			name := fmt.Sprint("t", i)
			c.subscribe(name)
			r.sendLite(name, 1, 1)
		}
		taken := 0
		for taken <= 100 {
			_, got := c.take(autoRenew, batch(32))
			r.NotEmpty(got)
			taken += len(got)
		}
		r.sendLite("t0", 2, 2)
		code, _ := c.receive(c.request(c.group, c.topic, autoRenew))
		r.Equal(v2.Code_FORBIDDEN, code)
	})
}

func TestLite_ExtendsWhatIsReceivedSo(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.set("a")
		r.sendLite("a", 1, 1)
		_, first := c.take(autoRenew)
		for range 30 {
			time.Sleep(time.Minute)
			c.heartbeat(c.group)
			c.set("a")
		}
		got, _ := c.take()
		r.Empty(got)
		c.settled(first...)
		r.sendLite("a", 2, 2)
		got, _ = c.take()
		r.Equal([]string{"a2/1"}, got)
	})
}
