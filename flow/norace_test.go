//go:build !race

package flow_test

// manyPipelines is how many random pipelines the property test runs.
const manyPipelines = 100

// seedsOf gives how many of n seeds a test runs.
func seedsOf(n uint64) uint64 { return n }
