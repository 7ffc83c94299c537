//go:build race

package flow_test

// seedsOf gives how many of n seeds a test runs: under the race detector each takes ten times as long.
func seedsOf(n uint64) uint64 { return n / 4 }
