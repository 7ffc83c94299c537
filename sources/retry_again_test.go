package sources

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
)

// What failed above windows comes by the retry topic when they are over: it is not late by that, and
// does not hold up the windows that are open.
func TestRetryTopic_CorrectsWindowsThatAreOver(t *testing.T) {
	for name, kept := range map[string]bool{"in a store": true, "held": false} {
		for _, delay := range []time.Duration{30 * time.Second, 2 * time.Hour} { // the groups alone have no more than one
			t.Run(name+" after "+delay.String(), func(t *testing.T) {
				inBubble(t, func(r *rig) {
					s := &turnstile{rig: r, delay: delay, fails: once("b 2")}
					if kept {
						s.store = state.NewMemory()
					}
					s.open()
					r.send("in", "", "a 1", "b 2")
					time.Sleep(time.Second)
					r.send("in", "", "c 15", "c 15", "c 15", "c 15")
					time.Sleep(10 * time.Second)
					require.Equal(r, []tally{{0, 1, 0}}, s.tallies())
					time.Sleep(delay)
					require.Equal(r, []tally{{0, 1, 0}, {0, 2, 1}}, s.tallies())
					require.Empty(r, s.late.Values())
					r.send("in", "", "d 25", "d 25", "d 25", "d 25")
					time.Sleep(5 * time.Second)
					require.Equal(r, tally{10, 4, 0}, s.tallies()[2], "at once")
					s.close()
					require.Empty(r, r.broker.Messages("dead"))
				})
			})
		}
	}
}

// A record whose commit was made and not answered goes to the retry topic, and does not count twice.
func TestRetryTopic_CountsOnceWhatAStoreHas(t *testing.T) {
	inBubble(t, func(r *rig) {
		store := &cutOff{Store: state.NewMemory()}
		s := &turnstile{rig: r, delay: 30 * time.Second, store: store, fails: never}
		s.open()
		store.cut()
		r.send("in", "", "a 1")
		time.Sleep(5 * time.Second)
		store.mend()
		require.EqualValues(r, 1, s.stage().RetriedLater)
		r.send("in", "", "c 15", "c 15", "c 15", "c 15")
		time.Sleep(15 * time.Second)
		require.Equal(r, []tally{{0, 1, 0}}, s.tallies())
		time.Sleep(time.Minute)
		require.EqualValues(r, 1, s.stage().Counters["again"])
		require.Equal(r, []tally{{0, 1, 0}}, s.tallies())
		require.Empty(r, s.late.Values())
		s.close()
	})
}

// A result that failed below windows that hold their records has each of them come again. The window knows
// them, gives its result again, and counts none twice.
func TestRetryTopic_GivesAgainWhatHeldItsRecords(t *testing.T) {
	inBubble(t, func(r *rig) {
		s := &turnstile{rig: r, delay: 30 * time.Second, fails: never, breaks: 1}
		s.open()
		r.send("in", "", "a 1", "b 2")
		time.Sleep(time.Second)
		r.send("in", "", "c 15", "c 15", "c 15", "c 15")
		time.Sleep(time.Second)
		require.Empty(r, s.tallies(), "it failed")
		time.Sleep(30 * time.Second)
		require.Equal(r, []tally{{0, 2, 1}}, s.tallies())
		require.Len(r, r.broker.Messages("later"), 2, "they came again by the topic")
		s.close()
	})
}

// A record that windows have counted, and that failed in another branch, comes by the retry topic. It is the
// first of either source, and counts once.
func TestRetryTopic_CountsOnceWhatFailedBesideWindows(t *testing.T) {
	for name, kept := range map[string]bool{"in a store": true, "held": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				s := &turnstile{rig: r, delay: 30 * time.Second, fails: never, beside: once("a 1")}
				if kept {
					s.store = state.NewMemory()
				}
				s.open()
				r.send("in", "", "a 1")
				time.Sleep(time.Minute)
				r.send("in", "", "b 15", "b 15", "b 15", "b 15")
				time.Sleep(time.Minute)
				require.EqualValues(r, 1, s.stage().Counters["again"])
				require.Equal(r, []tally{{0, 1, 0}}, s.tallies())
				s.close()
			})
		})
	}
}

// A change of a table that failed above it, or whose commit was not answered, comes by the retry topic after
// a newer one, and does not take its place.
func TestRetryTopic_DoesNotSetATableBack(t *testing.T) {
	for name, cut := range map[string]bool{"failed": false, "made": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				newRetrying(r, nil)
				store, out := &cutOff{Store: state.NewMemory()}, flowtest.NewOutput[string]()
				retry := flow.DeadLetter(sinks.RetryTopic(r.client, "later", sinks.DeadLetterTopic(r.client, "dead"), 30*time.Second))
				fails := never
				if !cut {
					fails = once("a 1")
				}
				id := func(m string) string { return m[:1] }
				changes := flow.Merge(
					flow.From(RocketMQ(r.client, "in", "G")), flow.From(RetryTopic(r.client, "later", "R")),
				).TryMap(func(_ context.Context, m *client.Message) (string, error) {
					return string(m.Body), fails(string(m.Body))
				}).OnError(retry).KeyBy(id).Table(store, "t")
				asks := make(chan string)
				p := flow.From(Channel(asks)).KeyBy(id).JoinTable(changes).
					Left(func(ask string, row *string) string { return ask + "+" + *row }).OnError(retry).To(out)
				ctx, cancel := context.WithCancel(r.Context())
				ended := make(chan error, 1)
				go func() { ended <- p.Run(ctx) }()
				if cut {
					store.cut()
				}
				r.send("in", "", "a 1")
				time.Sleep(5 * time.Second)
				store.mend()
				r.send("in", "", "a 2")
				time.Sleep(5 * time.Second)
				asks <- "a x"
				time.Sleep(time.Minute)
				asks <- "a y"
				time.Sleep(time.Second)
				require.Equal(r, []string{"a x+a 2", "a y+a 2"}, out.Values())
				st, _ := p.Snapshot().Stage("table join")
				want := map[string]int64{"stale": 1}
				if cut {
					want = map[string]int64{"again": 1}
				}
				require.Equal(r, want, st.Counters)
				cancel()
				require.NoError(r, <-ended)
			})
		})
	}
}
