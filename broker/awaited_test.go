package broker

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopic_AsksOnlyGroupsInWhichSomebodyWaits(t *testing.T) {
	s := newTestSubscription(t, false)
	asked := func() []*subscription { return s.topic.awaited.all() }
	require.Empty(t, asked(), "it reads, and does not wait")

	first, _ := s.receive(newPull(1), 1000)
	second, _ := s.receive(newPull(1), 2000)
	require.Equal(t, []*subscription{s}, asked())

	s.topic.publish(nil, 0, sameMessage(1)[0])
	<-first.served
	require.Equal(t, []*subscription{s}, asked(), "for the second")

	s.leave(second)
	require.Empty(t, asked())

	s.topic.publish(nil, 0, sameMessage(1)[0])
	w, ok := s.receive(newPull(1), 3000)
	require.True(t, ok)
	require.Nil(t, w)
	require.Empty(t, asked(), "there was a message")
}

// Whoever begins to wait while a message is stored gets it at once, or is told of it.
func TestTopic_ForgetsNobodyWhoBeginsToWait(t *testing.T) {
	s := newTestSubscription(t, false)
	batch := sameMessage(1)
	for range 2000 {
		var wg sync.WaitGroup
		wg.Go(func() { s.topic.publish(nil, 0, batch[0]) })
		p := newPull(1)
		if w, _ := s.receive(p, 0); w != nil {
			<-w.served
		}
		wg.Wait()
		require.Len(t, p.got, 1)
	}
	require.Empty(t, s.topic.awaited.all())
}
