package broker

import (
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// newTestSubscription gives a subscription to a topic of one queue, without a server.
func newTestSubscription(t *testing.T, ordered bool) *subscription {
	t.Helper()
	s := newStore(Options{AutoCreate: true}, Limits{}.withDefaults(), newScheduler())
	topic, ok := s.topic("N")
	require.True(t, ok)
	group := newGroup(Group{Name: "G", Ordered: ordered, RetryMaxTimes: 16})
	s.groups["G"] = group
	return s.subscription(group, topic)
}

func newPull(n int) *pull {
	return &pull{filter: filter{all: true}, max: n, invisible: 10_000, now: nowMillis()}
}

// Beside what it gives, a delivery costs its lease alone.
func TestSubscription_AllocatesLittleForADelivery(t *testing.T) {
	for name, test := range map[string]struct {
		ordered bool
		each    float64
	}{"shared": {false, 1}, "ordered": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			const n = 32
			s := newTestSubscription(t, test.ordered)
			m := &v2.Message{Body: []byte("x")}
			batch := make([]*v2.Message, n)
			for i := range batch {
				batch[i] = m
			}
			allocs := testing.AllocsPerRun(200, func() {
				s.topic.append(0, 0, batch...)
				p := newPull(n)
				w, ok := s.receive(p, 0)
				require.True(t, ok)
				require.Nil(t, w)
				s.mu.Lock()
				for i := range p.got {
					require.NoError(t, s.ack(p.got[i].handle, p.now))
				}
				s.unlock()
			})
			require.Less(t, allocs/n, test.each+0.75, "with what is made for all of them at once")
		})
	}
}

func TestSubscription_BoundsWhoWaits(t *testing.T) {
	s := newTestSubscription(t, false)
	var waiters []*waiter
	for range maxWaiters {
		w, ok := s.receive(newPull(1), 0)
		require.True(t, ok)
		waiters = append(waiters, w)
	}
	_, ok := s.receive(newPull(1), 0)
	require.False(t, ok)
	s.leave(waiters[0])
	s.leave(waiters[0]) // has no effect
	_, ok = s.receive(newPull(1), 0)
	require.True(t, ok)
}

func TestSubscription_ServesTheEarliestDeadlineFirst(t *testing.T) {
	s := newTestSubscription(t, false)
	late, _ := s.receive(newPull(1), 2000)
	early, _ := s.receive(newPull(1), 1000)
	for _, w := range []*waiter{early, late} {
		require.Empty(t, w.pull.got)
		s.topic.arrived(0, s.topic.append(0, 0, &v2.Message{}))
		<-w.served
		require.Len(t, w.pull.got, 1)
	}
}
