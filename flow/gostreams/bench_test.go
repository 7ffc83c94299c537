package gostreams_test

import (
	"testing"

	ext "github.com/reugn/go-streams/extension"
	streamflow "github.com/reugn/go-streams/flow"

	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/operators"
)

// counting is a stock source of n values, over a channel with room.
func counting(n int) *ext.ChanSource {
	in := make(chan any, 256)
	go func() {
		defer close(in)
		for i := range n {
			in <- i
		}
	}()
	return ext.NewChanSource(in)
}

func BenchmarkThreeOurs(b *testing.B) {
	b.ReportAllocs()
	inc := func(v int) int { return v + 1 }
	keep := func(int) bool { return true }
	counting(b.N).Via(gostreams.Flow(operators.Map(inc))).Via(gostreams.Flow(operators.Filter(keep))).
		Via(gostreams.Flow(operators.Map(inc))).To(ext.NewIgnoreSink())
}

func BenchmarkThreeStock(b *testing.B) {
	b.ReportAllocs()
	inc := func(v int) int { return v + 1 }
	keep := func(int) bool { return true }
	counting(b.N).Via(streamflow.NewMap(inc, 1)).Via(streamflow.NewFilter(keep, 1)).
		Via(streamflow.NewMap(inc, 1)).To(ext.NewIgnoreSink())
}
