//go:build race

package flow_test

// manyPipelines is how many random pipelines the property test runs: goroutines go other ways here.
const manyPipelines = 300

// seedsOf gives how many of n seeds a test runs: under the race detector each takes ten times as long.
func seedsOf(n uint64) uint64 { return n / 4 }
