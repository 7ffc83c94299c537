package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// later waits in virtual time, with heartbeats, and gives what the group gets then.
func (r *rig) later(d time.Duration, group, topic string) []string {
	for ; d > time.Minute; d -= time.Minute {
		time.Sleep(time.Minute)
		r.heartbeat(group)
	}
	time.Sleep(d)
	r.heartbeat(group)
	got, _ := r.pop(group, topic)
	return got
}

func (r *rig) heartbeat(group string) v2.Code {
	answer, err := r.stub.Heartbeat(r.ctx, &v2.HeartbeatRequest{Group: resource(group)})
	r.NoError(err)
	return answer.GetStatus().GetCode()
}

func TestAck_EndsADelivery(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		_, got := r.pop("G", "N")
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", handles(got...)...))
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", handles(got...)...), "a second time")
		r.Empty(r.later(time.Hour, "G", "N"))
	})
}

func TestAck_AnswersForEachEntry(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		_, got := r.pop("G", "N")
		good := handles(got...)[0]
		answer, err := r.stub.AckMessage(r.ctx, &v2.AckMessageRequest{
			Group: resource("G"), Topic: resource("N"),
			Entries: []*v2.AckMessageEntry{{MessageId: "one", ReceiptHandle: good}, {MessageId: "two", ReceiptHandle: "?"}},
		})
		r.NoError(err)
		r.Equal(v2.Code_MULTIPLE_RESULTS, answer.GetStatus().GetCode())
		r.Equal(v2.Code_OK, answer.GetEntries()[0].GetStatus().GetCode())
		r.Equal("one", answer.GetEntries()[0].GetMessageId())
		r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, answer.GetEntries()[1].GetStatus().GetCode())
		r.Equal("?", answer.GetEntries()[1].GetReceiptHandle())
	})
}

func TestAck_RefusesByWhatTheRequestNames(t *testing.T) {
	inBubble(t, func(r *rig) {
		answer, err := r.stub.AckMessage(r.ctx, &v2.AckMessageRequest{Group: resource("G"), Topic: resource("N")})
		r.NoError(err)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, answer.GetStatus().GetCode(), "no entries")
		answer, err = r.stub.AckMessage(r.ctx, &v2.AckMessageRequest{Group: resource("a b"), Topic: resource("N")})
		r.NoError(err)
		r.Equal(v2.Code_ILLEGAL_CONSUMER_GROUP, answer.GetStatus().GetCode())
	})
}

func TestAck_HasNoEffectOnWhatIsNotTheGroups(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		_, got := r.pop("G", "N")
		handle := handles(got...)[0]
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("G2", "N", handle), "another group")
		r.Equal([]v2.Code{v2.Code_INTERNAL_SERVER_ERROR}, r.ack("G", "N4", handle), "another topic")
		r.Equal([]v2.Code{v2.Code_INTERNAL_SERVER_ERROR}, r.ack("G", "X", handle), "an unknown topic")
		r.Equal([]string{"one/2"}, r.later(12*time.Second, "G", "N"))
	})
}

func TestAck_RefusesAnExpiredHandle(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		_, got := r.pop("G", "N")
		time.Sleep(10 * time.Second)
		r.Equal([]v2.Code{v2.Code_INVALID_RECEIPT_HANDLE}, r.ack("G", "N", handles(got...)...))
	})
}

func TestRedelivery_ComesTwoSecondsAfterTheInvisibleDuration(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one", withTag("A"))
		began := time.Now()
		_, first := r.pop("G", "N")
		got, second := r.pop("G", "N", polling(20*time.Second))
		r.Equal([]string{"one/2"}, got)
		r.InDelta(12.1, time.Since(began).Seconds(), 0.2)
		was, is := first[0].GetSystemProperties(), second[0].GetSystemProperties()
		r.Equal(was.GetMessageId(), is.GetMessageId())
		r.Equal(was.GetTag(), is.GetTag())
		r.Equal(was.GetBornTimestamp().AsTime(), is.GetBornTimestamp().AsTime())
		r.True(was.GetStoreTimestamp().AsTime().Before(is.GetStoreTimestamp().AsTime()))
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", handles(second...)...))
		r.Empty(r.later(time.Hour, "G", "N"))
	})
}

func TestRedelivery_KeepsGroupsOfSimilarNamesApart(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, name := range []string{"c", "b_c"} {
			r.NoError(r.broker.CreateTopic(broker.Topic{Name: name}))
			r.send(name, name)
		}
		for _, name := range []string{"a", "a_b"} {
			r.NoError(r.broker.CreateGroup(broker.Group{Name: name}))
		}
		r.pop("a_b", "c")
		r.pop("a", "b_c")
		time.Sleep(12 * time.Second)
		got, _ := r.pop("a", "b_c")
		r.Equal([]string{"b_c/2"}, got)
		got, _ = r.pop("a_b", "c")
		r.Equal([]string{"c/2"}, got)
		r.Len(r.broker.Messages("%RETRY%a_b_c"), 1)
		r.Len(slices.Concat(r.broker.Messages("%RETRY%a+b_c"), r.broker.Messages("%RETRY%a_b+c")), 1)
	})
}

func TestRedelivery_IsNotStarvedByNewMessages(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "old")
		r.pop("G", "N")
		for range 20 {
			r.send("N", "new")
		}
		time.Sleep(12 * time.Second)
		var all []string
		for range 5 {
			got, _ := r.pop("G", "N", batch(1))
			all = append(all, got...)
		}
		r.Contains(all, "old/2")
		r.Contains(all, "new/1")
	})
}

func TestChangeInvisible_SetsWhenAMessageComesBack(t *testing.T) {
	tests := map[string]struct {
		to        time.Duration
		suspend   bool
		back      time.Duration
		redeliver string
	}{
		"at once":               {0, false, 2 * time.Second, "one/2"},
		"at once, not counting": {0, true, 2 * time.Second, "one/1"},
		"later":                 {25 * time.Second, false, 27 * time.Second, "one/2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				r.send("N", "one")
				_, got := r.pop("G", "N")
				code, next := r.change("G", "N", handles(got...)[0], test.to, test.suspend)
				r.Equal(v2.Code_OK, code)
				r.NotEqual(handles(got...)[0], next)
				time.Sleep(test.back - 100*time.Millisecond)
				stats, err := r.broker.GroupStats("G")
				r.NoError(err)
				r.EqualValues(1, stats.InFlight)
				r.Equal([]string{test.redeliver}, r.later(200*time.Millisecond, "G", "N"))
			})
		})
	}
}

func TestChangeInvisible_GivesTheOneHandleThatCounts(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, id := range []string{"a", "b", "c"} {
			r.send("N", id)
		}
		_, got := r.pop("G", "N")
		old := handles(got...)
		for i := range old {
			code, next := r.change("G", "N", old[i], 20*time.Second, false)
			r.Equal(v2.Code_OK, code)
			if i == 0 {
				r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", old[i]), "without effect")
				code, _ = r.change("G", "N", old[i], 0, false)
				r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, code)
				continue
			}
			r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", next))
		}
		r.Equal([]string{"a/2"}, r.later(23*time.Second, "G", "N"))
	})
}

func TestChangeInvisible_RefusesWhatIsOver(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		_, got := r.pop("G", "N")
		handle := handles(got...)[0]
		for _, d := range []time.Duration{-time.Second, 12*time.Hour + time.Millisecond} {
			code, _ := r.change("G", "N", handle, d, false)
			r.Equal(v2.Code_ILLEGAL_INVISIBLE_TIME, code)
		}
		code, _ := r.change("G", "N", "?", time.Second, false)
		r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, code)
		code, _ = r.change("G2", "N", handle, time.Second, false)
		r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, code, "of another group")
		r.ack("G", "N", handle)
		code, _ = r.change("G", "N", handle, time.Second, false)
		r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, code, "acknowledged")
		time.Sleep(10 * time.Second)
		code, _ = r.change("G", "N", handle, time.Second, false)
		r.Equal(v2.Code_INVALID_RECEIPT_HANDLE, code, "expired")
		r.Empty(r.later(time.Minute, "G", "N"))
	})
}

func TestAutoRenew_ExtendsUntilTheMessageIsSettled(t *testing.T) {
	for _, topic := range []string{"N", "F"} {
		inBubble(t, func(r *rig) {
			group, change := "G", []func(*v2.Message){}
			if topic == "F" {
				group, change = "O", append(change, withGroup("g"))
			}
			r.register()
			r.send(topic, "a", change...)
			r.send(topic, "b", change...)
			_, got := r.pop(group, topic, autoRenew)
			r.Empty(r.later(75*time.Second, group, topic))
			r.Empty(r.later(time.Hour, group, topic))
			r.Equal([]v2.Code{v2.Code_OK, v2.Code_OK}, r.ack(group, topic, handles(got...)...))
			r.Empty(r.later(3*time.Hour, group, topic))
		})
	}
}

func TestAutoRenew_EndsWithItsClient(t *testing.T) {
	ends := map[string]struct {
		end  func(r *rig)
		back time.Duration
	}{
		"by notice": {func(r *rig) { r.Equal(v2.Code_OK, r.terminate("G")) }, 3 * time.Second},
		"by silence": {func(r *rig) {
			time.Sleep(121 * time.Second)
			r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"))
		}, 3 * time.Second},
	}
	for name, test := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				r.send("N", "one")
				r.pop("G", "N", autoRenew)
				test.end(r)
				began := time.Now()
				r.register()
				got, _ := r.pop("G", "N")
				r.Equal([]string{"one/2"}, got)
				r.InDelta(test.back.Seconds(), time.Since(began).Seconds(), 1.5)
			})
		})
	}
}

func TestAutoRenew_IsNotForAClientThatHasGoneBefore(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		waiter := r.waiting("G", "N", autoRenew)
		r.Equal(v2.Code_OK, r.terminate("G"))
		r.send("N", "one")
		r.Equal([]string{"one/1"}, <-waiter)
		time.Sleep(time.Minute)
		r.register()
		r.Equal([]string{"one/2"}, r.later(time.Second, "G", "N"))
	})
}

// The last renewal within 3 hours ends after 13,720 s. 10 s before that the server gives up, and
// lets the message wait as after a failure.
func TestAutoRenew_GivesUpAfterThreeHours(t *testing.T) {
	exponential := broker.RetryPolicy{Initial: time.Minute, Multiplier: 3}
	for name, test := range map[string]struct {
		backoff broker.RetryPolicy
		attempt int32
		wait    time.Duration
	}{
		"third step":         {broker.RetryPolicy{}, 1, 10 * time.Second},
		"step by failures":   {broker.RetryPolicy{}, 2, 30 * time.Second},
		"last step":          {broker.RetryPolicy{Steps: []time.Duration{time.Second, time.Hour}}, 1, time.Hour},
		"exponential":        {exponential, 1, time.Minute},
		"exponential, again": {exponential, 3, 9 * time.Minute},
		"exponential, bound": {broker.RetryPolicy{Initial: time.Minute, Multiplier: 1e9, Max: time.Hour}, 3, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.NoError(r.broker.CreateGroup(broker.Group{Name: "patient", Backoff: test.backoff}))
				r.register()
				r.send("N", "one")
				for range test.attempt - 1 {
					_, got := r.pop("patient", "N")
					r.change("patient", "N", handles(got...)[0], 0, false)
					time.Sleep(3 * time.Second)
				}
				_, got := r.pop("patient", "N", autoRenew)
				r.Equal(test.attempt, got[0].GetSystemProperties().GetDeliveryAttempt())
				back := 13710*time.Second + test.wait + 2*time.Second
				r.Empty(r.later(back-6*time.Second, "patient", "N")) // and 5 s of polling
				r.Equal([]string{fmt.Sprintf("one/%d", test.attempt+1)}, r.later(2*time.Second, "patient", "N"))
			})
		})
	}
}

func (r *rig) terminate(group string) v2.Code {
	answer, err := r.stub.NotifyClientTermination(r.ctx, &v2.NotifyClientTerminationRequest{Group: resource(group)})
	r.NoError(err)
	return answer.GetStatus().GetCode()
}
