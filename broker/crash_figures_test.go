package broker_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// figures count what was tried.
type figures struct {
	seeds                             int
	crashes, recoveries               int // of all kinds; of them in a recovery
	sent, delivered, acked, forwarded int // that were answered
	decided                           int // ends of transactions, and recalls
	pulled                            int // messages read by offset
	found, lost                       int // of the sends that were not answered
	again                             int // deliveries of what the group had received before
}

func (f figures) String() string {
	return fmt.Sprintf("%d seeds, %d crashes, %d of them in a recovery; %d sends answered, %d unanswered and found, "+
		"%d unanswered and lost; %d deliveries, %d of them once more; %d acknowledged, %d forwarded; %d pulled; %d transactions ended or messages recalled",
		f.seeds, f.crashes, f.recoveries, f.sent, f.found, f.lost, f.delivered, f.again, f.acked, f.forwarded, f.pulled, f.decided)
}

// A tally adds up figures of tests that run beside each other.
type tally struct {
	mu  sync.Mutex
	all figures
}

func (t *tally) add(f figures) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &t.all
	a.seeds++
	a.crashes += f.crashes
	a.recoveries += f.recoveries
	a.sent += f.sent
	a.delivered += f.delivered
	a.acked += f.acked
	a.forwarded += f.forwarded
	a.pulled += f.pulled
	a.decided += f.decided
	a.found += f.found
	a.lost += f.lost
	a.again += f.again
}

// check tells what was tried, and fails if that is too little to mean anything.
func (t *tally) check(tb testing.TB) {
	tb.Helper()
	tb.Logf("%v", t.all)
	if t.all.seeds < 20 {
		return
	}
	for what, n := range map[string]int{
		"crash in a recovery": t.all.recoveries, "send unanswered and found": t.all.found, "send unanswered and lost": t.all.lost,
		"delivery once more": t.all.again, "forward": t.all.forwarded, "decision": t.all.decided, "pulled message": t.all.pulled,
	} {
		require.Positive(tb, n, "there was no %s", what)
	}
}
