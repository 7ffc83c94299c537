//go:build !race

// The race detector makes pools forget, so that there is more to allocate.

package flow_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// The third promise: a chain allocates next to nothing for a record, fused or over an edge.
func TestRun_AllocatesNothingForARecordOfAChain(t *testing.T) {
	inc := func(v int) int { return v + 1 }
	positive := func(v int) bool { return v > 0 }
	try := func(_ context.Context, v int) (int, error) { return v, nil }
	for name, chain := range map[string]func(s flow.Stream[int]) flow.Stream[int]{
		"fused": func(s flow.Stream[int]) flow.Stream[int] { return s.Map(inc).Filter(positive).TryMap(try) },
		"edge":  func(s flow.Stream[int]) flow.Stream[int] { return s.Map(inc).Async().Filter(positive).TryMap(try) },
	} {
		t.Run(name, func(t *testing.T) {
			const records = 200_000
			allocs := func(n int) float64 {
				src := &sliceSource{values: numbers(256), reads: n / 256}
				p := chain(flow.From[int](src)).To(&discard{})
				return testing.AllocsPerRun(3, func() {
					src.read = 0
					require.NoError(t, p.Run(context.Background()))
				})
			}
			perRecord := (allocs(2*records) - allocs(records)) / records
			require.Less(t, perRecord, 0.005)
		})
	}
}

// sliceSource gives the same values in each of its reads, and wants their outcomes.
type sliceSource struct {
	values      []int
	reads, read int
}

func (s *sliceSource) SourceTraits() stage.SourceTraits { return stage.SourceTraits{Immediate: true} }

func (s *sliceSource) Open(context.Context) (stage.Reader[int], error) { return s, nil }

func (s *sliceSource) Read(context.Context) (stage.Batch[int], error) {
	if s.read == s.reads {
		return stage.Batch[int]{}, io.EOF
	}
	s.read++
	return stage.Batch[int]{Values: s.values, Settler: s}, nil
}

func (s *sliceSource) Settle(context.Context, []stage.Outcome) error { return nil }

func (s *sliceSource) Close(context.Context) error { return nil }

// discard is a sink that writes nowhere.
type discard struct{}

func (d *discard) SinkTraits() stage.SinkTraits { return stage.SinkTraits{Immediate: true} }

func (d *discard) Open(context.Context) (stage.Writer[int], error) { return d, nil }

func (d *discard) Write(context.Context, stage.Batch[int]) error { return nil }

func (d *discard) Close(context.Context) error { return nil }
