package flowtest

import "testing"

// FindLeaks reports goroutines that f leaves in the caller's bubble.
func FindLeaks(tb testing.TB, f func()) {
	tb.Helper()
	before := numbers()
	f()
	findLeaks(tb, before)
}

// Stalled gives the stacks of those that stop the clock of a bubble.
func Stalled(bubble string) []string { return stalled(bubble) }

// BubbleOf gives the caller's bubble.
func BubbleOf() string { return bubbleOf() }
