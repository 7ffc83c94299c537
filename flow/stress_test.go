package flow_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Rule 1, in real time and on all processors: outcomes meet their collection at every moment.
func TestRun_SettlesEachRecordOnceUnderLoad(t *testing.T) {
	for n := range 10 {
		src := &countingSource{reads: 200, size: 100, immediate: n%2 > 0}
		p := flow.From[int](src).ParMap(4, failing(func(v int) bool { return v == 7 })).OnError(flow.Skip()).
			To(&collector[int]{traits: stage.SinkTraits{Concurrency: 1 + n%3}})
		require.NoError(t, p.Run(t.Context()))
		require.Len(t, src.settled, src.reads*src.size)
		for v, n := range src.settled {
			require.Equal(t, 1, n, "value %d", v)
		}
	}
}

// countingSource counts how often each of its values is settled.
type countingSource struct {
	reads, size int
	immediate   bool

	next    int
	mu      sync.Mutex
	settled map[int]int
}

func (s *countingSource) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Immediate: s.immediate}
}

func (s *countingSource) Open(context.Context) (stage.Reader[int], error) {
	s.settled = make(map[int]int)
	return s, nil
}

func (s *countingSource) Read(context.Context) (stage.Batch[int], error) {
	if s.next == s.reads*s.size {
		return stage.Batch[int]{}, io.EOF
	}
	values := numbers(s.size)
	for i := range values {
		values[i] += s.next
	}
	b := stage.Batch[int]{Values: values, Settler: countingSettler{s, s.next}}
	s.next += s.size
	return b, nil
}

func (s *countingSource) Close(context.Context) error { return nil }

type countingSettler struct {
	src   *countingSource
	first int
}

func (c countingSettler) Settle(_ context.Context, outcomes []stage.Outcome) error {
	c.src.mu.Lock()
	defer c.src.mu.Unlock()
	for _, o := range outcomes {
		c.src.settled[c.first+o.Index]++
	}
	return nil
}
