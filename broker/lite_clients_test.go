package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestLiteExclusive_TakesALiteTopicFromTheOthers(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		one, two := r.lite("one", "exclusive"), r.lite("two", "exclusive")
		one.subscribe("a", "b")
		r.sendLite("a", 1, 3)
		_, held := one.take(batch(1))
		two.subscribe("a")
		synctest.Wait()
		r.Equal("a", <-one.notified)
		r.Empty(two.notified)
		one.settled(held...)
		got, _ := one.take()
		r.Empty(got)
		got, _ = two.take()
		r.Equal([]string{"a2/1", "a3/1"}, got)
		r.sendLite("b", 1, 1)
		got, _ = one.take()
		r.Equal([]string{"b1/1"}, got, "the other one is its own still")
		two.subscribe("a")
		synctest.Wait()
		r.Empty(two.notified, "it has taken it from nobody")
	})
}

func TestLiteExclusive_TakesNothingBySayingAllAgain(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		one, two := r.lite("one", "exclusive"), r.lite("two", "exclusive")
		one.subscribe("a")
		two.set("a")
		synctest.Wait()
		r.Empty(one.notified)
	})
}

func TestLiteExclusive_BeginsAnewWhereTheGroupIsSo(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		one, two := r.lite("one", "taking"), r.lite("two", "taking")
		one.subscribe("a")
		r.sendLite("a", 1, 1)
		_, got := one.take()
		one.settled(got...)
		two.subscribe("a")
		seen, _ := two.take()
		r.Equal([]string{"a1/1"}, seen)
	})
}

func TestLiteUnsubscribe_BeginsAnewWhereTheGroupIsSo(t *testing.T) {
	for group, want := range map[string][]string{"again": {"a1/1", "a2/1"}, "lite": {"a2/1"}} {
		withLiteTopics(t, func(r *rig) {
			c := r.lite("one", group)
			c.subscribe("a")
			r.sendLite("a", 1, 1)
			_, got := c.take()
			c.settled(got...)
			c.unsubscribe("a")
			r.sendLite("a", 2, 2)
			seen, _ := c.take()
			r.Empty(seen)
			c.subscribe("a")
			seen, _ = c.take()
			r.Equal(want, seen)
		})
	}
}

func TestLiteWildcard_GivesAllLiteTopics(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "all")
		r.sendLite("a", 1, 1)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, c.sync(v2.LiteSubscriptionAction_PARTIAL_ADD, nil, "a").GetCode())
		c.set()
		got, _ := c.take()
		r.Equal([]string{"a1/1"}, got)
		waiter := c.awaiting()
		r.sendLite("b", 1, 1)
		r.Equal([]string{"b1/1"}, <-waiter)
	})
}

func TestLiteSync_RefusesWhatTheServerRefuses(t *testing.T) {
	const add, set = v2.LiteSubscriptionAction_PARTIAL_ADD, v2.LiteSubscriptionAction_COMPLETE_ADD
	tests := []struct {
		name   string
		group  string
		topic  string
		action v2.LiteSubscriptionAction
		from   *v2.OffsetOption
		lites  []string
		code   v2.Code
	}{
		{"a blank name", "lite", "L", add, nil, []string{" "}, v2.Code_ILLEGAL_LITE_TOPIC},
		{"a long name", "lite", "L", add, nil, []string{fmt.Sprintf("%065d", 1)}, v2.Code_ILLEGAL_LITE_TOPIC},
		{"a name with a space", "lite", "L", add, nil, []string{"a", "a b"}, v2.Code_ILLEGAL_LITE_TOPIC},
		{"a name with a percent sign", "lite", "L", add, nil, []string{"a%b"}, v2.Code_ILLEGAL_LITE_TOPIC},
		{"an empty option", "lite", "L", add, &v2.OffsetOption{}, []string{"a"}, v2.Code_BAD_REQUEST},
		{"an unknown policy", "lite", "L", add, policy(77), []string{"a"}, v2.Code_BAD_REQUEST},
		{"an illegal topic", "lite", "L L", add, nil, []string{"a"}, v2.Code_ILLEGAL_TOPIC},
		{"an illegal group", "", "L", add, nil, []string{"a"}, v2.Code_ILLEGAL_CONSUMER_GROUP},
		{"an unknown group", "nobody", "L", add, nil, []string{"a"}, v2.Code_ILLEGAL_CONSUMER_GROUP},
		{"an ordinary group", "G", "L", add, nil, []string{"a"}, v2.Code_ILLEGAL_TOPIC},
		{"another topic", "lite", "N", add, nil, []string{"a"}, v2.Code_ILLEGAL_TOPIC},
		{"too many", "few", "L", set, nil, someNames(306), v2.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED},
		{"as many as may be", "few", "L", set, nil, someNames(305), v2.Code_OK},
		{"an unknown action", "lite", "L", 77, nil, []string{"a"}, v2.Code_INTERNAL_SERVER_ERROR},
		{"nothing", "lite", "L", add, nil, nil, v2.Code_OK},
		{"an illegal name to unsubscribe", "lite", "L", v2.LiteSubscriptionAction_PARTIAL_REMOVE, nil, []string{"a b"}, v2.Code_OK},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withLiteTopics(t, func(r *rig) {
				c := &liteClient{rig: r, group: test.group, topic: test.topic}
				r.Equal(test.code, c.sync(test.action, test.from, test.lites...).GetCode())
			})
		})
	}
}

func someNames(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("n", i)
	}
	return all
}

func TestLiteTelemetry_WantsClientAndGroupToFit(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		for want, settings := range map[string]*v2.Settings{
			"lite group must use LITE mode: lite":                          consumer("lite"),
			"regular group cannot use LITE mode: G":                        liteSettings("G", "L"),
			"lite group lite is expected to bind topic L, but actual is N": liteSettings("lite", "N"),
			"Client type is not consumer, type: LITE_SIMPLE_CONSUMER":      withType(v2.ClientType_LITE_SIMPLE_CONSUMER),
		} {
			_, err := r.tell(r.ctx, settings)
			r.ErrorContains(err, want)
		}
		answer, err := r.tell(r.ctx, liteSettings("few", "L"))
		r.NoError(err)
		sub := answer.GetSettings().GetSubscription()
		r.EqualValues(5, sub.GetLiteSubscriptionQuota())
		r.EqualValues(64, sub.GetMaxLiteTopicSize())
		r.Equal(v2.Code_OK, r.heartbeat("lite"))
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, r.heartbeat("G"))
	})
}

func withType(t v2.ClientType) *v2.Settings {
	settings := liteSettings("lite", "L")
	settings.ClientType = &t
	return settings
}

func TestLiteReceive_WantsClientAndGroupToFit(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.register()
		code, _ := r.receive(r.request("lite", "L"))
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, code)
		c := r.lite("one", "lite")
		code, _ = c.receive(c.request("lite", "N"))
		r.Equal(v2.Code_ILLEGAL_TOPIC, code)
		code, _ = c.receive(c.request("G", "L"))
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, code)
	})
}

func TestLiteClient_LosesItsSubscriptionsWhenItBreaksOff(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		c.breakOff()
		synctest.Wait()
		r.sendLite("a", 1, 1)
		back := r.lite("one", "lite")
		got, _ := back.take()
		r.Empty(got, "it has to say them again")
		back.set("a")
		got, _ = back.take()
		r.Equal([]string{"a1/1"}, got)
	})
}

func TestLiteClient_LosesItsSubscriptionsWhenItGoes(t *testing.T) {
	leave := map[string]func(c *liteClient){
		"says so": func(c *liteClient) {
			answer, err := c.stub.NotifyClientTermination(c.ctx, &v2.NotifyClientTerminationRequest{Group: resource(c.group)})
			c.NoError(err)
			c.Equal(v2.Code_OK, answer.GetStatus().GetCode())
		},
		"removes them": func(c *liteClient) {
			c.Equal(v2.Code_OK, c.sync(v2.LiteSubscriptionAction_COMPLETE_REMOVE, nil).GetCode())
		},
		"says nothing for 2 minutes": func(*liteClient) { time.Sleep(2 * time.Minute) },
		"says nothing of them for 3 minutes": func(c *liteClient) {
			for range 18 {
				time.Sleep(10 * time.Second)
				c.heartbeat(c.group)
			}
		},
	}
	for name, leaves := range leave {
		t.Run(name, func(t *testing.T) {
			withLiteTopics(t, func(r *rig) {
				c := r.lite("one", "lite")
				c.subscribe("a")
				time.Sleep(time.Second)
				r.Equal([]string{"one"}, r.broker.LiteTopics("L")[0].Groups["lite"].Clients)
				leaves(c)
				synctest.Wait()
				r.Empty(r.broker.LiteTopics("L")[0].Groups["lite"].Clients)
			})
		})
	}
}

func TestLiteClient_KeepsWhatItSpeaksOf(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		for range 30 {
			time.Sleep(30 * time.Second)
			c.heartbeat(c.group)
			c.set("a")
		}
		r.sendLite("a", 1, 1)
		got, _ := c.take()
		r.Equal([]string{"a1/1"}, got)
	})
}

func TestLiteTopics_AreListedWithTheirBacklog(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b")
		r.sendLite("a", 1, 3)
		r.sendLite("c", 1, 1)
		_, got := c.take(batch(2))
		c.settled(got[0])
		lites := r.broker.LiteTopics("L")
		r.Equal([]string{"a", "b", "c"}, names(lites))
		r.Equal(broker.LiteProgress{Ready: 1, InFlight: 1, Clients: []string{"one"}}, lites[0].Groups["lite"])
		r.EqualValues(3, lites[0].Stored)
		r.Zero(lites[1].Stored)
		r.True(lites[1].LastStored.IsZero())
		r.Empty(lites[2].Groups)
		r.Nil(r.broker.LiteTopics("N"))
		stats, err := r.broker.GroupStats("lite")
		r.NoError(err)
		r.Equal(broker.Progress{Backlog: 2, Ready: 1, InFlight: 1, Acked: 1}, stats.Topics["L"])
	})
}

func names(lites []broker.LiteTopic) []string {
	var all []string
	for _, l := range lites {
		all = append(all, l.Name)
	}
	return all
}

func TestLiteTopics_AreUnsubscribedByTheAdministrator(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b")
		r.NoError(r.broker.UnsubscribeLite("lite", "a"))
		r.Equal("a", <-c.notified)
		r.ErrorIs(r.broker.UnsubscribeLite("lite", "a"), broker.ErrUnknown)
		r.sendLite("a", 1, 1)
		r.sendLite("b", 1, 1)
		got, _ := c.take()
		r.Equal([]string{"b1/1"}, got)
	})
}

func TestLiteTopics_ExpireWithAllThatIsInThem(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		_, held := c.take(batch(1))
		r.NoError(r.broker.ExpireLiteTopic("L", "a"))
		r.ErrorIs(r.broker.ExpireLiteTopic("L", "a"), broker.ErrUnknown)
		r.ErrorIs(r.broker.ExpireLiteTopic("N", "a"), broker.ErrUnknown)
		r.NotEqual([]v2.Code{v2.Code_OK}, c.settle(held...))
		r.Empty(c.notified)
		r.sendLite("a", 3, 3)
		got, _ := c.take()
		r.Empty(got)
		c.subscribe("a")
		got, messages := c.take()
		r.Equal([]string{"a3/1"}, got)
		r.Zero(messages[0].GetSystemProperties().GetQueueOffset())
		r.Len(r.broker.Messages("L"), 3, "the parent keeps them")
	})
}

func TestLiteTopics_ExpireByThemselves(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		r.sendLiteTo("short", "a", 1, 1)
		time.Sleep(50 * time.Minute)
		r.sendLiteTo("short", "a", 2, 2)
		r.sendLiteTo("short", "b", 1, 1)
		time.Sleep(50 * time.Minute)
		r.Equal([]string{"a", "b"}, names(r.broker.LiteTopics("short")))
		time.Sleep(20 * time.Minute)
		r.Empty(r.broker.LiteTopics("short"))
		r.sendLiteTo("short", "a", 3, 3)
		c := r.liteOf("one", "short", "short")
		c.subscribe("a")
		got, _ := c.take()
		r.Equal([]string{"a3/1"}, got)
	})
}

func TestLiteTopics_ExpireWhileTheyAreUsed(t *testing.T) {
	withLiteTopics(t, func(r *rig) {
		c := r.lite("one", "lite")
		stop := make(chan struct{})
		var expiring sync.WaitGroup
		for range 2 {
			expiring.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = r.broker.ExpireLiteTopic("L", "a") // if there is one
					}
				}
			})
		}
		for i := range 50 {
			c.subscribe("a")
			r.sendLite("a", i, i)
		}
		close(stop)
		expiring.Wait()
		_ = r.broker.ExpireLiteTopic("L", "a")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		got, _ := c.take()
		r.Equal([]string{"a1/1", "a2/1"}, got)
		r.Len(r.broker.LiteTopics("L"), 1)
	})
}

func TestLite_RetainsWhatAGroupHasStillToReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := withLite()
		opts.Retain = 300
		r := newRig(t, opts)
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 600)
		r.sendLite("b", 1, 600)
		taken := []string{}
		for len(taken) < 600 {
			got, messages := c.take()
			taken = append(taken, got...)
			c.settled(messages...)
		}
		r.True(slices.Contains(taken, "a1/1"))
		c.subscribe("b")
		got, _ := c.take(batch(1))
		r.NotEqual([]string{"b1/1"}, got, "which nobody had subscribed to")
	})
}

func TestOptions_RefusesLiteThatCannotBe(t *testing.T) {
	tests := map[string]broker.Options{
		"a lite binding needs its parent topic": {Groups: []broker.Group{{Name: "G", Lite: broker.LiteBinding{Exclusive: true}}}},
		"must not be negative":                  {Groups: []broker.Group{{Name: "G", Lite: broker.LiteBinding{Topic: "L", Quota: -1}}}},
		"illegal characters":                    {Groups: []broker.Group{{Name: "G", Lite: broker.LiteBinding{Topic: "L L"}}}},
		"needs type Lite":                       {Topics: []broker.Topic{{Name: "N", LiteExpiry: time.Hour}}},
	}
	for want, opts := range tests {
		opts.InMemory = true
		_, err := broker.Start(opts)
		require.ErrorContains(t, err, want)
		_, ok := errors.AsType[*broker.ConfigError](err)
		require.True(t, ok)
	}
}
