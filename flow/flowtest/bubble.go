package flowtest

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// header is the first line of a goroutine's stack: its number, its state, and its bubble.
var header = regexp.MustCompile(`^goroutine (\d+) \[[^\]]*synctest bubble (\d+)[^\]]*\]:`)

// bubbleOf gives the bubble that the caller is in; "" if it is in none. Package synctest does not tell.
func bubbleOf() string {
	stack := make([]byte, 256)
	stack = stack[:runtime.Stack(stack, false)]
	if m := header.FindSubmatch(stack); m != nil {
		return string(m[2])
	}
	return ""
}

// goroutines gives the stacks of the goroutines of the caller's bubble, by number, without its own.
func goroutines() map[string]string {
	stacks := make([]byte, 1<<16)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	bubble, all := bubbleOf(), make(map[string]string)
	for i, stack := range strings.Split(string(stacks), "\n\n") { // the caller's comes first
		if m := header.FindStringSubmatch(stack); i > 0 && m != nil && m[2] == bubble {
			all[m[1]] = stack
		}
	}
	return all
}

// findLeaks reports goroutines that the run has left behind. It does so at once: the bubble panics if
// they do not end with it.
func findLeaks(tb testing.TB, before map[string]string) {
	tb.Helper()
	synctest.Wait()
	for number, stack := range goroutines() {
		if _, old := before[number]; !old {
			tb.Errorf("flowtest: the run has left a goroutine behind: whoever started it is to end it when the context ends, or on Close:\n%s", stack)
		}
	}
}
