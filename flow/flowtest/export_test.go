package flowtest

import "testing"

// FindLeaks reports goroutines that f leaves in the caller's bubble.
func FindLeaks(tb testing.TB, f func()) {
	tb.Helper()
	before := goroutines()
	f()
	findLeaks(tb, before)
}
