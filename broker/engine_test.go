package broker

import (
	"slices"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// newTestSubscription gives a subscription to a topic of one queue, without a server.
func newTestSubscription(tb testing.TB, ordered bool) *subscription {
	tb.Helper()
	s := newStore(Options{AutoCreate: true, Retain: 1000}, Limits{}.withDefaults(), newScheduler())
	topic, ok := s.topic("N")
	require.True(tb, ok)
	group := newGroup(Group{Name: "G", Ordered: ordered, RetryMaxTimes: 16})
	s.groups["G"] = group
	return s.subscription(group, topic)
}

func newPull(n int) *pull {
	return &pull{filter: filter{all: true}, max: n, invisible: 10_000, now: nowMillis()}
}

// cycle stores messages, receives them at once, and acknowledges them.
func (s *subscription) cycle(tb testing.TB, batch []record) {
	tb.Helper()
	s.topic.arrived(0, s.topic.append(0, 0, batch...))
	p := newPull(len(batch))
	w, ok := s.receive(p, 0)
	require.True(tb, ok)
	require.Nil(tb, w)
	s.mu.Lock()
	defer s.unlock()
	for i := range p.got {
		require.NoError(tb, s.ack(p.got[i].handle, p.now))
	}
}

func sameMessage(n int) []record {
	r := appendRecord(nil, &v2.Message{Body: []byte("x"), SystemProperties: &v2.SystemProperties{}})
	return slices.Repeat([]record{r}, n)
}

// Beside what it gives, a delivery costs its lease alone.
func TestSubscription_AllocatesLittleForADelivery(t *testing.T) {
	for name, ordered := range map[string]bool{"shared": false, "ordered": true} {
		t.Run(name, func(t *testing.T) {
			const n = 32
			s, batch := newTestSubscription(t, ordered), sameMessage(n)
			allocs := testing.AllocsPerRun(200, func() { s.cycle(t, batch) })
			require.Less(t, allocs/n, 1.75, "with what is made for all of them at once")
		})
	}
}

// BenchmarkSubscription stores, receives and acknowledges 32 messages, without gRPC.
func BenchmarkSubscription(b *testing.B) {
	for name, ordered := range map[string]bool{"shared": false, "ordered": true} {
		b.Run(name, func(b *testing.B) {
			const n = 32
			s, batch := newTestSubscription(b, ordered), sameMessage(n)
			b.ReportAllocs()
			for b.Loop() {
				s.cycle(b, batch)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
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
		s.topic.arrived(0, s.topic.append(0, 0, sameMessage(1)...))
		<-w.served
		require.Len(t, w.pull.got, 1)
	}
}

// BenchmarkSubscription_ServesOneOfMany stores a message for which as many wait as may, and one of
// them gets it, acknowledges it, and waits again.
func BenchmarkSubscription_ServesOneOfMany(b *testing.B) {
	for name, ordered := range map[string]bool{"shared": false, "ordered": true} {
		b.Run(name, func(b *testing.B) {
			s, batch := newTestSubscription(b, ordered), sameMessage(1)
			var waiters []*waiter
			for i := range maxWaiters {
				w, _ := s.receive(newPull(1), int64(i))
				waiters = append(waiters, w)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.topic.arrived(0, s.topic.append(0, 0, batch...))
				w := waiters[i%maxWaiters]
				<-w.served
				s.leave(w)
				s.mu.Lock()
				require.NoError(b, s.ack(w.pull.got[0].handle, w.pull.now))
				s.unlock()
				waiters[i%maxWaiters], _ = s.receive(newPull(1), int64(i+maxWaiters))
			}
		})
	}
}
