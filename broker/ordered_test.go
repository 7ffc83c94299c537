package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// inOrder runs a test of the ordered group O on the topic F, of one queue, which has messages.
func inOrder(t *testing.T, test func(r *rig), bodies ...string) {
	t.Helper()
	inBubble(t, func(r *rig) {
		r.register()
		for _, body := range bodies {
			r.send("F", body, withGroup("g"))
		}
		test(r)
	})
}

func TestOrdered_BlocksAQueueUntilAllIsAcknowledged(t *testing.T) {
	inOrder(t, func(r *rig) {
		got, messages := r.pop("O", "F", batch(2))
		r.Equal([]string{"a/1", "b/1"}, got)
		waiter := r.waiting("O", "F")
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("O", "F", handles(messages[0])...))
		synctest.Wait()
		r.Empty(waiter)
		began := time.Now()
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("O", "F", handles(messages[1])...))
		r.Equal([]string{"c/1", "d/1"}, <-waiter)
		r.Zero(time.Since(began))
	}, "a", "b", "c", "d")
}

func TestOrdered_DeliversAgainExactlyInTimeAndPlace(t *testing.T) {
	inOrder(t, func(r *rig) {
		began := time.Now()
		_, first := r.pop("O", "F")
		got, second := r.pop("O", "F", polling(20*time.Second))
		r.Equal([]string{"a/2", "b/2"}, got)
		r.InDelta(10, time.Since(began).Seconds(), 0.1)
		r.Equal(first[0].GetSystemProperties().GetQueueOffset(), second[0].GetSystemProperties().GetQueueOffset())
	}, "a", "b")
}

func TestOrdered_DoesNotRepeatWhatIsAcknowledged(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, messages := r.pop("O", "F", batch(2))
		r.ack("O", "F", handles(messages[1])...)
		r.Equal([]string{"a/2", "c/1"}, r.later(10*time.Second, "O", "F"))
	}, "a", "b", "c")
}

func TestOrdered_BlocksOneQueueOnly(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("F4", "a", withGroup("group0"))
		r.pop("O", "F4")
		r.send("F4", "b", withGroup("group1"))
		r.send("F4", "c", withGroup("group0"))
		got, _ := r.pop("O", "F4")
		r.Equal([]string{"b/1"}, got)
	})
}

func TestOrdered_GivesTheSameAttemptTheSameAgain(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, first := r.pop("O", "F", batch(2), attempt("x"))
		got, _ := r.pop("O", "F", batch(2), attempt("y"))
		r.Empty(got)
		got, second := r.pop("O", "F", batch(2), attempt("x"))
		r.Equal([]string{"a/1", "b/1"}, got)
		r.Equal([]v2.Code{v2.Code_OK, v2.Code_OK}, r.ack("O", "F", handles(first...)...), "stale, without effect")
		got, _ = r.pop("O", "F", attempt("y"))
		r.Empty(got)
		r.ack("O", "F", handles(second...)...)
		got, _ = r.pop("O", "F", attempt("y"))
		r.Equal([]string{"c/1"}, got)
	}, "a", "b", "c")
}

func TestOrdered_ChangesWhenItIsFree(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, messages := r.pop("O", "F")
		code, next := r.change("O", "F", handles(messages...)[0], 2*time.Second, true)
		r.Equal(v2.Code_OK, code)
		began := time.Now()
		got, again := r.pop("O", "F", polling(20*time.Second))
		r.Equal([]string{"a/2"}, got, "suspended, but counted")
		r.InDelta(2, time.Since(began).Seconds(), 0.1)
		r.Equal([]v2.Code{v2.Code_INVALID_RECEIPT_HANDLE}, r.ack("O", "F", next))
		_, next = r.change("O", "F", handles(again...)[0], time.Minute, false)
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("O", "F", next))
		r.Empty(r.later(time.Hour, "O", "F"))
	}, "a")
}

func TestOrdered_TellsDeliveriesApartWithinAMillisecond(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, first := r.pop("O", "F")
		r.change("O", "F", handles(first...)[0], 0, false)
		got, _ := r.pop("O", "F")
		r.Equal([]string{"a/2"}, got)
		r.Equal([]v2.Code{v2.Code_OK}, r.ack("O", "F", handles(first...)...), "stale, without effect")
		r.Equal([]string{"a/3"}, r.later(11*time.Second, "O", "F"))
	}, "a")
}

func TestOrdered_IsFreeInTimeHoweverFastItIsRead(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for range 200 {
			r.send("F", "x", withGroup("g"))
			_, got := r.pop("O", "F", batch(1))
			r.ack("O", "F", handles(got...)...)
		}
		r.send("F", "last", withGroup("g"))
		r.pop("O", "F")
		began := time.Now()
		got, _ := r.pop("O", "F", polling(20*time.Second))
		r.Equal([]string{"last/2"}, got)
		r.InDelta(10, time.Since(began).Seconds(), 0.01)
	})
}

func TestOrdered_CountsAttemptsForEachMessage(t *testing.T) {
	inOrder(t, func(r *rig) {
		r.pop("O", "F")
		r.send("F", "b", withGroup("g"))
		r.Equal([]string{"a/2", "b/1"}, r.later(10*time.Second, "O", "F"))
	}, "a")
}

func TestOrdered_PassesWhatIsDead(t *testing.T) {
	inOrder(t, func(r *rig) {
		for _, want := range []string{"a/1", "a/2"} {
			got, _ := r.pop("ordered-once", "F", batch(1), polling(20*time.Second))
			r.Equal([]string{want}, got)
		}
		time.Sleep(10 * time.Second)
		got, _ := r.pop("ordered-once", "F", batch(1))
		r.Empty(got)
		r.Len(r.dead("ordered-once"), 1)
		got, _ = r.pop("ordered-once", "F", batch(1))
		r.Equal([]string{"b/1"}, got)
	}, "a", "b")
}

func TestOrdered_DoesNotRepeatWhatIsAcknowledgedBehindTheDead(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, messages := r.pop("ordered-once", "F", batch(2))
		r.ack("ordered-once", "F", handles(messages[1])...)
		r.Equal([]string{"a/2", "c/1"}, r.later(10*time.Second, "ordered-once", "F"))
		r.Equal([]string{"c/2"}, r.later(10*time.Second, "ordered-once", "F"))
		r.Len(r.dead("ordered-once"), 1)
	}, "a", "b", "c")
}

func TestOrdered_SettlesWhatIsForwarded(t *testing.T) {
	inOrder(t, func(r *rig) {
		_, messages := r.pop("O", "F", batch(1))
		r.Equal(v2.Code_OK, r.forward("O", "F", handles(messages...)[0]))
		got, _ := r.pop("O", "F")
		r.Equal([]string{"b/1"}, got)
	}, "a", "b")
}

func TestOrdered_SkipsByFilterForGood(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, tag := range []string{"A", "B", "A", "B"} {
			r.send("F", tag, withGroup("g"), withTag(tag))
		}
		_, messages := r.pop("O", "F", tags("B"))
		r.Equal([]string{"B/1", "B/1"}, seen(messages))
		r.ack("O", "F", handles(messages...)...)
		r.Empty(r.later(time.Minute, "O", "F"))
		stats, err := r.broker.GroupStats("O")
		r.NoError(err)
		r.Zero(stats.Backlog)
		r.EqualValues(2, stats.Filtered)
	})
}

func TestOrdered_IsAPropertyOfTheGroup(t *testing.T) {
	inOrder(t, func(r *rig) {
		r.pop("G", "F", batch(1))
		got, _ := r.pop("G", "F", batch(1))
		r.Equal([]string{"b/1"}, got, "a group that is not ordered is not blocked")
		r.send("N", "n")
		r.pop("O", "N")
		r.send("N", "m")
		got, _ = r.pop("O", "N")
		r.Empty(got, "an ordered group is, on any topic")
	}, "a", "b")
}
