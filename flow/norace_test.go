//go:build !race

package flow_test

// seedsOf gives how many of n seeds a test runs.
func seedsOf(n uint64) uint64 { return n }
