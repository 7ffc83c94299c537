package flow_test

import (
	"errors"
	"fmt"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// item is a value on its way through a random pipeline. It tells which delivery of which input it
// came of, and by id, which is a function of the input and of the stages passed, what it is.
type item struct {
	src      int    // the input's number
	delivery int    // of the input, from 1
	id       uint64 // what it is
	lane     int    // which branch of a merged broadcast it came by; 0 for none
	key      string // the input's key; empty if the source orders by none
}

// handout is one delivery of one input.
type handout struct{ src, delivery int }

func (it item) handout() handout { return handout{it.src, it.delivery} }

// place is a value at a stage, in one delivery of its input.
type place struct {
	stage string
	handout
	id uint64
}

// effect is a value that must reach a sink, with the stages on its way and what it was there.
type effect struct {
	sink string
	id   uint64
	lane int
	hops []hop
}

type hop struct {
	stage  string
	policy policySpec
	id     uint64
}

// ledger is the judge of a trial. It is told by sources, functions and sinks what happens, knows
// from a plain evaluation of the same functions what should, and keeps these rules:
//
//   - each delivery is settled once;
//   - one that is done has all its effects in their sinks, but for what was skipped or
//     dead-lettered by a stage whose policy says so;
//   - one that failed has a reason, and so has one that was handed back;
//   - of a key, no value reaches a sink before those of earlier inputs that are not over;
//   - no sink sees a value that nothing gives.
type ledger struct {
	mu       sync.Mutex
	problems []string
	inputs   map[int]*record
	wanted   map[int][]effect           // by input
	settled  map[handout]bool           // read, and whether settled
	arrived  map[string]map[arrival]int // by sink; the first delivery it arrived in
	seen     map[place]bool             // in a sink, by delivery
	failures map[place]int
	final    map[place]bool // a failure that no retry can mend
	dead     map[place]bool
	blamed   map[handout]bool // something failed in this delivery
	late     map[string]bool  // keys with a record in the pipeline twice, since its lease ended
	back     int              // outcomes of this run that handed back
	joint    bool             // duties are joined, so that one's failure is another's
	mayTurn  bool             // records may be handed back though the drain is not cut
}

// record is what the ledger knows of an input.
type record struct {
	key  string
	over bool // done once, or given up by its source
}

type arrival struct {
	src int
	id  uint64
}

func newLedger() *ledger {
	return &ledger{
		inputs: make(map[int]*record), wanted: make(map[int][]effect),
		settled: make(map[handout]bool), arrived: make(map[string]map[arrival]int),
		seen: make(map[place]bool), failures: make(map[place]int), final: make(map[place]bool),
		late: make(map[string]bool), dead: make(map[place]bool), blamed: make(map[handout]bool),
	}
}

func (l *ledger) problem(format string, args ...any) {
	if len(l.problems) < 10 {
		l.problems = append(l.problems, fmt.Sprintf(format, args...))
	}
}

// report notes a problem that something else than the ledger found.
func (l *ledger) report(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problem(format, args...)
}

// expect says what an input must come to.
func (l *ledger) expect(it item, effects []effect) {
	l.inputs[it.src] = &record{key: it.key}
	l.wanted[it.src] = effects
}

// read notes a delivery.
func (l *ledger) read(h handout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled[h] = false
}

// failed notes that a stage or a sink failed at a value; final, that retries are in vain.
func (l *ledger) failed(at place, final bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures[at]++
	l.blamed[at.handout] = true
	if final {
		l.final[at] = true
	}
}

// buried notes a dead letter.
func (l *ledger) buried(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures[at] == 0 {
		l.problem("dead letter for %v, which did not fail", at)
	}
	l.dead[at] = true
}

// arrives notes that a value is in a sink.
func (l *ledger) arrives(sink string, it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := false
	for _, e := range l.wanted[it.src] {
		known = known || e.sink == sink && e.id == it.id
	}
	if !known {
		l.problem("sink %s got %v, which nothing gives", sink, it)
	}
	l.inOrder(sink, it)
	l.seen[place{sink, it.handout(), it.id}] = true
	if l.arrived[sink] == nil {
		l.arrived[sink] = make(map[arrival]int)
	}
	if _, again := l.arrived[sink][arrival{it.src, it.id}]; !again {
		l.arrived[sink][arrival{it.src, it.id}] = it.delivery
	}
}

// inOrder holds an arrival against rule 8: earlier inputs of its key are over, or have arrived.
func (l *ledger) inOrder(sink string, it item) {
	if it.key == "" || l.late[it.key] {
		return
	}
	for src, in := range l.inputs {
		if src >= it.src || in.key != it.key || in.over {
			continue
		}
		for _, e := range l.wanted[src] {
			if e.sink != sink || e.lane != it.lane {
				continue
			}
			if _, ok := l.arrived[sink][arrival{src, e.id}]; !ok && !l.everExcused(src, e) {
				l.problem("sink %s got %v before %x of input %d (rule 8)", sink, it, e.id, src)
			}
		}
	}
}

// everExcused tells whether a delivery of the input need not have had the effect.
func (l *ledger) everExcused(src int, e effect) bool {
	for d := 1; ; d++ {
		h := handout{src, d}
		if _, read := l.settled[h]; !read {
			return false
		}
		if l.excused(h, e) {
			return true
		}
	}
}

// excused tells whether a stage on the way may have ended the effect by its policy.
func (l *ledger) excused(h handout, e effect) bool {
	for _, hop := range e.hops {
		at := place{hop.stage, h, hop.id}
		switch hop.policy.final {
		case skip:
			if l.failures[at] > hop.policy.retries || l.final[at] {
				return true
			}
		case deadLetter:
			if l.dead[at] {
				return true
			}
		}
	}
	return false
}

// settles notes the outcome of a delivery.
func (l *ledger) settles(h handout, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	settled, read := l.settled[h]
	switch {
	case !read:
		l.problem("%v is settled and was never read", h)
	case settled:
		l.problem("%v is settled twice (rule 1)", h)
	}
	l.settled[h] = true
	switch {
	case errors.Is(err, stage.ErrHandedBack):
		l.back++
		if !l.mayTurn && !l.joint && !l.blamed[h] {
			l.problem("%v is handed back for no reason", h)
		}
	case err != nil:
		if !l.joint && !l.blamed[h] {
			l.problem("%v failed for no reason: %v", h, err)
		}
	default:
		l.inputs[h.src].over = true
		for _, e := range l.wanted[h.src] {
			if !l.seen[place{e.sink, h, e.id}] && !l.excused(h, e) {
				l.problem("%v is done, but %x is not in sink %s", h, e.id, e.sink)
			}
		}
	}
}

// givesUp notes that a source does not deliver the input again.
func (l *ledger) givesUp(src int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inputs[src].over = true
}

// expires notes that an input may be in the pipeline twice.
func (l *ledger) expires(src int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late[l.inputs[src].key] = true
}

// begins notes a run; mayTurn says that it may hand back what is not to blame.
func (l *ledger) begins(mayTurn bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back, l.mayTurn = 0, mayTurn
}

// ended checks, after a run, that nothing is left unsettled, and gives how many were handed back.
func (l *ledger) ended() (handedBack int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h, settled := range l.settled {
		if !settled {
			l.problem("%v was never settled (rule 1)", h)
		}
	}
	return l.back
}
