package flowtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// stallCheck is how often the clock of a bubble is looked at, in real time, and stallChecks how
	// often in succession it has to stand still to be taken for stopped.
	stallCheck  = 2 * time.Second
	stallChecks = 5
)

// watchClock panics if the clock of a bubble stops, since nothing else can end the test then: until go
// test does, without a word about why. It returns what ends the watch.
func watchClock(bubble func() string) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(stallCheck)
		defer ticks.Stop()
		var before []string
		for same := 0; ; {
			select {
			case <-stop:
				return
			case <-ticks.C:
			}
			now := stalled(bubble())
			if same++; len(now) == 0 || !slices.Equal(now, before) {
				same = 0
			}
			if before = now; same == stallChecks {
				panic(describeStall(now))
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

func describeStall(stacks []string) string {
	return fmt.Sprintf("flowtest: the clock of the bubble stands still, since a goroutine waits for what is not part of the bubble: for a channel that was made outside of it, which is to be made inside, in a test that begins with synctest.Test; or for a mutex that somebody holds while time is to pass:\n%s", strings.Join(stacks, "\n\n"))
}

// stalled gives the stacks of those goroutines of a bubble that stop its clock; none if one of the
// others has something to do.
func stalled(bubble string) []string {
	var stopping []string
	for _, g := range goroutinesOf(bubble) {
		switch state, _, _ := strings.Cut(g.state, ","); {
		case strings.HasSuffix(state, "(durable)"):
		case strings.HasPrefix(state, "chan "), strings.HasPrefix(state, "select"), strings.HasPrefix(state, "sync."):
			stopping = append(stopping, g.stack)
		default:
			return nil
		}
	}
	return stopping
}
