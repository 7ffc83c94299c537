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

func sendAll(r *rig, topic string, names ...string) {
	for _, n := range names {
		r.send(topic, n)
	}
}

func statsOf(r *rig, group string) broker.Progress {
	stats, err := r.broker.GroupStats(group)
	r.NoError(err)
	return stats.Progress
}

func TestDir_KeepsHowFarAGroupHasCome(t *testing.T) {
	for _, group := range []string{"G", "O"} {
		t.Run("group "+group, func(t *testing.T) {
			var inFlight []string
			var before broker.Progress
			outlives(t, func(r *rig) {
				sendAll(r, "N", "a", "b", "c", "d", "e")
				_, got := r.pop(group, "N", batch(4))
				inFlight = handles(got...)
				r.Equal([]v2.Code{v2.Code_OK}, r.ack(group, "N", inFlight[0]))
				before = statsOf(r, group)
				r.EqualValues(1, before.Acked)
				r.EqualValues(3, before.InFlight)
			}, func(r *rig) {
				if len(inFlight) == 0 { // the second look
					r.Zero(statsOf(r, group).Backlog)
					return
				}
				r.Equal(before, statsOf(r, group))
				ok := v2.Code_OK
				r.Equal([]v2.Code{ok, ok, ok}, r.ack(group, "N", inFlight[1:]...), "handles from before")
				inFlight = nil
				seen, got := r.pop(group, "N")
				r.Equal([]string{"e/1"}, seen)
				r.Equal([]v2.Code{ok}, r.ack(group, "N", handles(got...)...))
				r.Zero(statsOf(r, group).Backlog)
			})
		})
	}
}

func TestDir_LetsTimeGoOnForWhatIsInFlight(t *testing.T) {
	for group, late := range map[string]time.Duration{"G": 2 * time.Second, "O": 0} {
		t.Run("group "+group, func(t *testing.T) {
			first := true
			outlives(t, func(r *rig) {
				first = true
				r.send("N", "a")
				r.pop(group, "N", invisible(30*time.Second))
			}, func(r *rig) {
				if !first {
					return
				}
				first = false
				begun := time.Now()
				seen := <-r.waiting(group, "N")
				r.Empty(seen, "earlier than it was to be")
				seen = <-r.waiting(group, "N")
				r.Equal([]string{"a/2"}, seen)
				r.InDelta(30*time.Second+late, time.Since(begun), float64(time.Second))
			})
		})
	}
}

func TestDir_BringsBackAtOnceWhatHasExpiredMeanwhile(t *testing.T) {
	inHome(t, func(h *home) {
		h.untilKilled(func(r *rig) {
			sendAll(r, "N", "a", "b")
			r.pop("G", "N")
		})
		time.Sleep(time.Hour)
		for _, attempt := range []int{2, 3, 4} {
			h.untilKilled(func(r *rig) {
				synctest.Wait()
				seen, _ := r.pop("G", "N")
				r.ElementsMatch([]string{fmt.Sprint("a/", attempt), fmt.Sprint("b/", attempt)}, seen)
			})
			time.Sleep(time.Minute)
		}
	})
}

func TestDir_KeepsChangesOfInvisibility(t *testing.T) {
	for _, group := range []string{"G", "O"} {
		t.Run("group "+group, func(t *testing.T) {
			inHome(t, func(h *home) {
				var was, is string
				h.untilKilled(func(r *rig) {
					r.send("N", "a")
					_, got := r.pop(group, "N")
					was = handles(got...)[0]
					var code v2.Code
					code, is = r.change(group, "N", was, time.Hour, false)
					r.Equal(v2.Code_OK, code)
				})
				time.Sleep(59 * time.Minute)
				h.during(func(r *rig) {
					r.Zero(statsOf(r, group).Ready)
					r.Equal([]v2.Code{v2.Code_OK}, r.ack(group, "N", is))
				})
				h.during(func(r *rig) { r.Zero(statsOf(r, group).Backlog) })
			})
		})
	}
}

func TestDir_KeepsDeadLettersAndThatTheyWereForwarded(t *testing.T) {
	for _, group := range []string{"once", "ordered-once"} {
		t.Run("group "+group, func(t *testing.T) {
			inHome(t, func(h *home) {
				var handle string
				h.untilKilled(func(r *rig) {
					sendAll(r, "N", "a", "b")
					_, got := r.pop(group, "N")
					handle = handles(got...)[0]
					r.Equal(v2.Code_OK, r.forward(group, "N", handle))
				})
				time.Sleep(time.Minute)
				for range 2 { // of which the first finds the second delivery, the other nothing more to deliver
					h.untilKilled(func(r *rig) {
						r.Equal(v2.Code_OK, r.forward(group, "N", handle))
						synctest.Wait()
						r.pop(group, "N")
					})
					time.Sleep(time.Minute)
				}
				h.during(func(r *rig) {
					r.Len(r.broker.Messages("%DLQ%"+group), 2)
					r.Zero(statsOf(r, group).Backlog)
					r.EqualValues(2, statsOf(r, group).DeadLettered)
				})
			})
		})
	}
}

// What is extended for a client goes on being so if the client is back in time, and comes back if not.
func TestDir_ExtendsForAClientThatReturns(t *testing.T) {
	for _, group := range []string{"G", "O"} {
		t.Run("group "+group, func(t *testing.T) {
			inHome(t, func(h *home) {
				var handle string
				h.untilKilled(func(r *rig) {
					r.send("N", "a")
					_, got := r.pop(group, "N", autoRenew)
					handle = handles(got...)[0]
				})
				h.untilKilled(func(r *rig) { // which registers the client again
					time.Sleep(90 * time.Second)
					r.EqualValues(1, statsOf(r, group).InFlight)
				})
				h.during(func(r *rig) { r.Equal([]v2.Code{v2.Code_OK}, r.ack(group, "N", handle)) })
			})
		})
	}
}

func TestDir_KeepsWhatAFilterHasSkipped(t *testing.T) {
	inHome(t, func(h *home) {
		h.untilKilled(func(r *rig) {
			r.send("N", "a", withTag("A"))
			r.send("N", "b", withTag("B"))
			seen, got := r.pop("G", "N", tags("B"))
			r.Equal([]string{"b/1"}, seen)
			r.ack("G", "N", handles(got...)...)
		})
		h.during(func(r *rig) {
			r.Zero(statsOf(r, "G").Backlog)
			r.EqualValues(1, statsOf(r, "G").Filtered)
		})
	})
}

func TestDir_RefusesAGroupThatIsOrderedOtherwise(t *testing.T) {
	inHome(t, func(h *home) {
		h.during(func(r *rig) {
			r.send("N", "a")
			r.pop("G", "N")
		})
		h.opts.Groups[0].Ordered = true
		broker.OnFiles(&h.opts, h.disk)
		_, err := broker.Start(h.opts)
		var fault *broker.ConfigError
		require.ErrorAs(t, err, &fault)
	})
}
