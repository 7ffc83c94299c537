package broker_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// inLiteHome is inHome, with lite topics.
func inLiteHome(t *testing.T, test func(h *home)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(&home{t, withLite(), crashfs.New()}) })
}

// liteOutlives runs a test that does something to one broker, which ends in each of the ways, and looks
// at another.
func liteOutlives(t *testing.T, do, look func(r *rig)) {
	t.Helper()
	for name, until := range ends() {
		t.Run(name, func(t *testing.T) {
			inLiteHome(t, func(h *home) {
				until(h, do)
				h.during(look)
			})
		})
	}
}

// litesOf gives the lite topics of L as they stand, but for the clients.
func litesOf(r *rig) []broker.LiteTopic {
	all := r.broker.LiteTopics("L")
	for _, lite := range all {
		for group, p := range lite.Groups {
			p.Clients = nil
			lite.Groups[group] = p
		}
	}
	return all
}

func TestDirLite_KeepsHowFarAGroupHasCome(t *testing.T) {
	var before []broker.LiteTopic
	var progress broker.Progress
	var out []*v2.Message
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b", "empty")
		r.sendLite("a", 1, 5)
		r.sendLite("b", 1, 1)
		r.sendLite("unread", 1, 1)
		_, out = c.take(batch(3))
		c.settled(out[1])
		before, progress = litesOf(r), statsOf(r, "lite")
		r.Equal(broker.LiteProgress{Ready: 2, InFlight: 2}, before[0].Groups["lite"])
	}, func(r *rig) {
		r.Equal(before, litesOf(r))
		r.Equal(progress, statsOf(r, "lite"))
		c := r.lite("one", "lite")
		got, _ := c.take()
		r.Empty(got, "it has to say its subscriptions again")
		c.set("a", "b")
		got, _ = c.take()
		r.Equal([]string{"b1/1"}, got, "what is out blocks the other lite topic still")
		c.settled(out[0], out[2])
		got, _ = c.take()
		r.Equal([]string{"a4/1", "a5/1"}, got)
		r.sendLite("a", 6, 6)
		r.EqualValues(6, litesOf(r)[0].Stored)
		r.EqualValues(3, statsOf(r, "lite").Acked)
	})
}

func TestDirLite_LetsTimeGoOnForWhatIsOut(t *testing.T) {
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		c.take(invisible(30 * time.Second))
		time.Sleep(10 * time.Second)
	}, func(r *rig) {
		c := r.lite("one", "lite")
		c.set("a")
		begun := time.Now()
		r.Empty(<-c.awaiting())
		r.ElementsMatch([]string{"a1/2", "a2/2"}, <-c.awaiting())
		r.InDelta(20, time.Since(begun).Seconds(), 0.1)
	})
}

func TestDirLite_KeepsAttemptsOverSeveralStarts(t *testing.T) {
	inLiteHome(t, func(h *home) {
		h.untilKilled(func(r *rig) {
			r.lite("one", "once").subscribe("a")
			r.sendLite("a", 1, 1)
		})
		for _, want := range [][]string{{"a1/1"}, {}} {
			h.untilKilled(func(r *rig) {
				c := r.lite("one", "once")
				c.set("a")
				got, _ := c.take()
				r.Equal(want, got)
			})
			time.Sleep(time.Minute)
		}
		h.during(func(r *rig) {
			r.Len(r.dead("once"), 1)
			r.Equal("a", r.dead("once")[0].LiteTopic)
			r.Equal(broker.Progress{DeadLettered: 1}, statsOf(r, "once"))
		})
	})
}

func TestDirLite_KeepsWhatASuspensionHides(t *testing.T) {
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 3)
		_, got := c.take()
		c.settled(got[0])
		c.hide(got[2], time.Hour, true)
		time.Sleep(59 * time.Minute)
	}, func(r *rig) {
		c := r.lite("one", "lite")
		c.set("a")
		got, _ := c.take()
		r.Empty(got)
		time.Sleep(time.Minute)
		got, _ = c.take()
		r.Equal([]string{"a2/1", "a3/1"}, got, "not counted as attempts")
	})
}

func TestDirLite_RepeatsAnAttempt(t *testing.T) {
	inLiteHome(t, func(h *home) {
		var out []*v2.Message
		for range 3 {
			h.untilKilled(func(r *rig) {
				c := r.lite("one", "lite")
				if out == nil {
					r.sendLite("a", 1, 3)
				}
				c.set("a")
				got, again := c.take(batch(2), attempt("x"))
				r.Equal([]string{"a1/1", "a2/1"}, got)
				r.NotEqual(handles(out...), handles(again...))
				out = again
			})
		}
		h.during(func(r *rig) {
			r.lite("one", "lite").settled(out...)
			r.EqualValues(1, statsOf(r, "lite").Backlog)
		})
	})
}

func TestDirLite_KeepsWhatAFilterHasSkipped(t *testing.T) {
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		r.sendLite("a", 1, 2)
		got, _ := c.take(tags("other"))
		r.Empty(got)
		r.EqualValues(2, statsOf(r, "lite").Filtered)
	}, func(r *rig) {
		r.Equal(broker.Progress{Filtered: 2}, statsOf(r, "lite"))
	})
}

func TestDirLite_ExtendsForAClientThatReturns(t *testing.T) {
	inLiteHome(t, func(h *home) {
		var out []*v2.Message
		h.untilKilled(func(r *rig) {
			c := r.lite("one", "lite")
			c.subscribe("a", "b")
			r.sendLite("a", 1, 1)
			_, out = c.take(autoRenew)
			c.stay(10)
		})
		h.untilKilled(func(r *rig) {
			c := r.lite("one", "lite")
			c.stay(10)
			r.EqualValues(1, statsOf(r, "lite").InFlight)
			c.settled(out...)
			r.sendLite("b", 1, 1)
			c.set("a", "b")
			c.take(autoRenew)
		})
		h.during(func(r *rig) { // to whom nobody returns
			c := r.lite("two", "lite")
			c.set("a", "b")
			r.Empty(<-c.awaiting())
			r.Empty(<-c.awaiting())
			r.Equal([]string{"b1/2"}, <-c.awaiting(), "a second after the renewal that is not to be")
		})
	})
}

func TestDirLite_KeepsWhereAClientWantedToBegin(t *testing.T) {
	liteOutlives(t, func(r *rig) {
		r.sendLite("a", 1, 4)
		c := r.lite("one", "lite")
		c.subscribe("a")
		_, got := c.take()
		c.settled(got...)
		c.subscribeFrom(offset(1), "a")
	}, func(r *rig) {
		c := r.lite("one", "lite")
		c.set("a")
		got, _ := c.take()
		r.Equal([]string{"a2/1", "a3/1", "a4/1"}, got)
	})
}

func TestDirLite_KeepsThatALiteTopicIsNoMore(t *testing.T) {
	var out []*v2.Message
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a", "b", "c")
		for _, name := range []string{"a", "b", "c"} {
			r.sendLite(name, 1, 2)
		}
		_, out = c.take()
		for _, name := range []string{"a", "b"} {
			r.NoError(r.broker.ExpireLiteTopic("L", name))
		}
		r.sendLite("a", 3, 4)
	}, func(r *rig) {
		r.Equal([]string{"a", "c"}, names(r.broker.LiteTopics("L")))
		r.Len(r.broker.Messages("L"), 8)
		c := r.lite("one", "lite")
		c.subscribe("a", "b", "c")
		c.settle(out[0]) // which is no message of the one that there is now
		c.settled(out[5])
		got, messages := c.take()
		r.Equal([]string{"a3/1", "a4/1"}, got)
		r.Zero(messages[0].GetSystemProperties().GetQueueOffset())
		c.settled(out[4])
		r.Equal(broker.LiteProgress{}, litesOf(r)[2].Groups["lite"])
	})
}

func TestDirLite_LetsLiteTopicsExpireWhenItIsTime(t *testing.T) {
	inLiteHome(t, func(h *home) {
		h.untilKilled(func(r *rig) {
			r.liteOf("one", "short", "short").subscribe("a", "b")
			r.sendLiteTo("short", "a", 1, 1)
			time.Sleep(30 * time.Minute)
			r.sendLiteTo("short", "b", 1, 1)
		})
		time.Sleep(40 * time.Minute)
		h.during(func(r *rig) {
			synctest.Wait()
			r.Equal([]string{"b"}, names(r.broker.LiteTopics("short")), "the other has expired meanwhile")
			r.EqualValues(1, statsOf(r, "short").Backlog)
			r.sendLiteTo("short", "a", 2, 2)
			r.NoError(r.broker.Compact(h.t.Context()))
		})
		h.opts.Topics[2].LiteExpiry = 2 * time.Hour
		h.untilKilled(func(r *rig) {
			time.Sleep(70 * time.Minute)
			r.Equal([]string{"a", "b"}, names(r.broker.LiteTopics("short")))
			time.Sleep(time.Hour)
			r.Empty(r.broker.LiteTopics("short"))
		})
		h.during(func(r *rig) { r.Empty(r.broker.LiteTopics("short")) })
	})
}

// What the parent has dropped is in the lite topic as long as a group has still to receive it.
func TestDirLite_KeepsMoreThanTheParent(t *testing.T) {
	for name, until := range ends() {
		t.Run(name, func(t *testing.T) {
			inLiteHome(t, func(h *home) {
				h.opts.Retain, h.opts.Topics[0].Queues = 100, 1
				var want []broker.LiteTopic
				until(h, func(r *rig) {
					r.lite("one", "lite").subscribe("a")
					r.sendLite("a", 1, 400)
					c := r.lite("two", "other")
					c.subscribe("b")
					r.sendLite("b", 1, 400)
					c.drain()
					r.sendLite("b", 401, 401)
					r.sendLite("c", 1, 400)
					r.Less(len(r.broker.Messages("L")), 400)
					want = litesOf(r)
				})
				h.during(func(r *rig) {
					r.Equal(want, litesOf(r))
					c := r.lite("one", "lite")
					c.set("a")
					got := c.drain()
					r.Len(got, 400)
					for i := range got {
						r.Equal(fmt.Sprintf("a%d/1", i+1), got[i])
					}
					for _, dropped := range []string{"b", "c"} { // all have received it, or nobody was to
						c.set(dropped)
						got, _ = c.take()
						r.Equal(dropped+"257/1", got[0])
					}
				})
			})
		})
	}
}

// stay lets some minutes pass, in which the client lives.
func (c *liteClient) stay(minutes int) {
	for range minutes {
		time.Sleep(time.Minute)
		c.heartbeat(c.group)
	}
}

// drain takes and settles all that there is.
func (c *liteClient) drain() []string {
	var all []string
	for {
		got, messages := c.take()
		if len(got) == 0 {
			return all
		}
		c.settled(messages...)
		all = append(all, got...)
	}
}

// The order in a lite topic is not that in the queues of its parent.
func TestDirLite_KeepsTheOrderOfMessagesThatComeAtOnce(t *testing.T) {
	var order []string
	liteOutlives(t, func(r *rig) {
		c := r.lite("one", "lite")
		c.subscribe("a")
		var senders sync.WaitGroup
		for i := range 8 {
			senders.Go(func() { r.sendLite("a", 100*i, 100*i+49) })
		}
		senders.Wait()
		order = c.drain()
		r.Len(order, 400)
	}, func(r *rig) {
		c := r.lite("two", "other")
		c.set("a")
		r.Equal(order, c.drain())
	})
}

func TestDirLite_TakesSnapshotsWhileMessagesComeAndGo(t *testing.T) {
	inLiteHome(t, func(h *home) {
		h.untilKilled(func(r *rig) {
			var working sync.WaitGroup
			for i, name := range []string{"a", "b", "a", "b"} {
				working.Go(func() { r.sendLite(name, 100*i, 100*i+99) })
			}
			for _, name := range []string{"a", "b"} {
				working.Go(func() {
					c := r.lite(name, "lite")
					c.subscribe(name)
					for done := 0; done < 200; {
						_, got := c.take()
						c.settled(got...)
						done += len(got)
					}
				})
			}
			working.Go(func() {
				for i := range 50 {
					r.sendLite("gone", i, i)
					r.NoError(r.broker.ExpireLiteTopic("L", "gone"))
				}
			})
			for range 20 {
				r.NoError(r.broker.Compact(h.t.Context()))
			}
			working.Wait()
		})
		h.during(func(r *rig) {
			r.Equal(broker.Progress{Acked: 400}, statsOf(r, "lite"))
			r.Equal([]string{"a", "b"}, names(r.broker.LiteTopics("L")))
			r.Len(r.broker.Messages("L"), 450)
		})
	})
}

func TestDirLite_KeepsWhatQuirksMakeOfLiteTopics(t *testing.T) {
	inLiteHome(t, func(h *home) {
		h.opts.Quirks = []broker.Quirk{broker.QuirkLiteMode, broker.QuirkLiteDeadLetter}
		h.untilKilled(func(r *rig) {
			r.sendLite("a", 1, 2)
			_, got := r.pop("lite", "L") // by a client that is none of lite topics
			r.Len(got, 2)
			r.Equal([]v2.Code{v2.Code_OK}, r.ack("lite", "L", handles(got...)[0]))
			c := r.lite("one", "lite")
			c.subscribe("a")
			_, got = c.take(batch(1))
			r.Equal(v2.Code_OK, c.bury(got[0]))
			r.EqualValues(3, litesOf(r)[0].Stored, "the dead letter came into the lite topic")
		})
		h.during(func(r *rig) { r.NoError(r.broker.Compact(h.t.Context())) })
		h.during(func(r *rig) {
			got, _ := r.pop("lite", "L")
			r.Empty(got)
			c := r.lite("one", "lite")
			c.set("a")
			got, _ = c.take()
			r.Equal([]string{"a2/1", "a1/1"}, got)
		})
	})
}
