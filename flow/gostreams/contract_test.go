package gostreams_test

import (
	"sync"
	"testing"

	"github.com/reugn/go-streams"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
)

func TestFrom_KeepsTheContract(t *testing.T) {
	stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[int] {
		return stagetest.SourceSetup[int]{
			Source: gostreams.From[int](given(1, 2, 3, 4)), Values: []int{1, 2, 3, 4},
		}
	}, stagetest.InBubble(), stagetest.GoesOn())
}

// shelf is a stock sink that keeps what it gets.
type shelf struct {
	in   chan any
	done chan struct{}
	all  *shelves
}

// shelves is what all sinks of a test got.
type shelves struct {
	mu     sync.Mutex
	values []int
}

func (s *shelves) add() streams.Sink {
	sink := &shelf{make(chan any), make(chan struct{}), s}
	go func() {
		defer close(sink.done)
		for e := range sink.in {
			s.mu.Lock()
			s.values = append(s.values, e.(int))
			s.mu.Unlock()
		}
	}()
	return sink
}

func (s *shelf) In() chan<- any { return s.in }

func (s *shelf) AwaitCompletion() { <-s.done }

func TestToEach_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[int] {
		all := &shelves{}
		return stagetest.SinkSetup[int]{
			Sink: gostreams.ToEach[int](all.add), Values: []int{1, 2, 3, 4},
			Written: func() []int {
				all.mu.Lock()
				defer all.mu.Unlock()
				return append([]int(nil), all.values...)
			},
		}
	}, stagetest.InBubble())
}

func TestTo_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[int] {
		all := &shelves{}
		return stagetest.SinkSetup[int]{Sink: gostreams.To[int](all.add), Values: []int{1, 2, 3, 4}}
	}, stagetest.InBubble())
}

func TestMessages_KeepTheContract(t *testing.T) {
	stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[*client.Message] {
		t.Helper()
		b := brokertest.New(t, brokertest.WithTopics(broker.Topic{Name: "bills", Queues: 1}))
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		var values []*client.Message
		for _, body := range []string{"a", "b", "c", "d"} {
			values = append(values, &client.Message{Body: []byte(body)})
		}
		return stagetest.SinkSetup[*client.Message]{
			Sink: gostreams.Messages(c, "bills"), Values: values,
			Written: func() (written []*client.Message) {
				for _, m := range b.Messages("bills") {
					written = append(written, &client.Message{Body: m.Body})
				}
				return written
			},
			Poison: func() *client.Message { return &client.Message{} },
			Equal:  func(a, b *client.Message) bool { return string(a.Body) == string(b.Body) },
		}
	}, stagetest.InBubble())
}
