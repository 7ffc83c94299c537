package flowtest

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// header is the first line of a goroutine's stack: its number, its state, and its bubble.
var header = regexp.MustCompile(`^goroutine (\d+) \[([^\]]*), synctest bubble (\d+)\]`)

// goroutine is one of a bubble.
type goroutine struct{ number, state, bubble, stack string }

func parseGoroutine(stack string) (g goroutine, ok bool) {
	m := header.FindStringSubmatch(stack)
	if m == nil {
		return g, false
	}
	return goroutine{number: m[1], state: m[2], bubble: m[3], stack: stack}, true
}

// bubbleOf gives the bubble that the caller is in; "" if it is in none. Package synctest does not tell.
func bubbleOf() string {
	stack := make([]byte, 256)
	g, _ := parseGoroutine(string(stack[:runtime.Stack(stack, false)]))
	return g.bubble
}

// goroutinesOf gives the goroutines of a bubble, the caller's first if it is one.
func goroutinesOf(bubble string) []goroutine {
	stacks := make([]byte, 1<<16)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	var all []goroutine
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if g, ok := parseGoroutine(stack); ok && g.bubble == bubble {
			all = append(all, g)
		}
	}
	return all
}

// numbers tells which goroutines the caller's bubble has.
func numbers() map[string]bool {
	all := make(map[string]bool)
	for _, g := range goroutinesOf(bubbleOf()) {
		all[g.number] = true
	}
	return all
}

// findLeaks reports goroutines that the run has left behind. It does so at once: the bubble panics if
// they do not end with it.
func findLeaks(tb testing.TB, before map[string]bool) {
	tb.Helper()
	synctest.Wait()
	for _, g := range goroutinesOf(bubbleOf()) {
		if !before[g.number] {
			tb.Errorf("flowtest: the run has left a goroutine behind: whoever started it is to end it when the context ends, or on Close:\n%s", g.stack)
		}
	}
}
