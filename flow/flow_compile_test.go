package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
)

// TestStream_InfersTypesBuiltFromItsOwn has one call of each method whose result is a stream of a
// type built from the receiver's. Such a method takes the type as a parameter of its own, for the
// compiler to infer; without one it would be an instantiation cycle.
func TestStream_InfersTypesBuiltFromItsOwn(t *testing.T) {
	batches := flow.From(sources.Values(1, 2, 3)).Batch(2, time.Second)
	out := &collector[[][]int]{}
	require.NoError(t, batches.Batch(2, time.Second).To(out).Run(t.Context()))
	require.Equal(t, [][][]int{{{1, 2}, {3}}}, out.values())

	flat := &collector[int]{}
	require.NoError(t, flow.Flatten(batches).To(flat).Run(t.Context()))
	require.Equal(t, []int{1, 2, 3}, flat.values())
}
