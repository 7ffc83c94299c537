package flow_test

import (
	"errors"
	"fmt"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

// handout is one delivery of one input.
type handout struct{ src, delivery int }

func handoutOf(it randpipe.Item) handout { return handout{it.Src, it.Delivery} }

// ledger is the judge of a trial. It is told by sources, functions and sinks what happens, knows
// from a plain evaluation of the same functions what should, and keeps these rules:
//
//   - each delivery is settled once;
//   - one that is done has all its effects in their sinks, but for what was skipped or
//     dead-lettered by a stage whose policy says so, or dropped by an operator that may, or a store
//     answers for them, and has given them in the end;
//   - one that failed has a reason, and so has one that was handed back;
//   - of a key, no value reaches a sink before those of earlier inputs that are not over;
//   - no sink sees a value that nothing gives.
type ledger struct {
	mu       sync.Mutex
	problems []string
	inputs   map[int]*record
	wanted   map[int][]randpipe.Effect  // by input
	settled  map[handout]bool           // read, and whether settled
	arrived  map[string]map[arrival]int // by sink; the first delivery it arrived in
	seen     map[randpipe.Place]bool    // in a sink, by delivery
	failures *randpipe.Failures
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
		inputs: make(map[int]*record), wanted: make(map[int][]randpipe.Effect),
		settled: make(map[handout]bool), arrived: make(map[string]map[arrival]int),
		seen: make(map[randpipe.Place]bool), failures: randpipe.NewFailures(),
		late: make(map[string]bool), blamed: make(map[handout]bool),
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
func (l *ledger) expect(it randpipe.Item, effects []randpipe.Effect) {
	l.inputs[it.Src] = &record{key: it.Key}
	l.wanted[it.Src] = effects
}

// read notes a delivery.
func (l *ledger) read(h handout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled[h] = false
}

// failed notes that a stage or a sink failed at values; final, that retries are in vain.
func (l *ledger) failed(stage string, final bool, items ...randpipe.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		l.failures.Failed(it.At(stage), final)
		l.blamed[handoutOf(it)] = true
	}
}

// dropped notes that an operator was free to drop a value.
func (l *ledger) dropped(at randpipe.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures.Dropped(at)
}

// kept notes that a store has a value.
func (l *ledger) kept(at randpipe.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures.Kept(at)
}

// keyOf gives the key that a value has in a sink: none if a store gave it.
func (l *ledger) keyOf(sink string, it randpipe.Item) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keyOfLocked(sink, it)
}

func (l *ledger) keyOfLocked(sink string, it randpipe.Item) string {
	for _, e := range l.wanted[it.Src] {
		if it.Key != "" && e.Sink == sink && e.ID == it.ID && e.Kept() {
			return ""
		}
	}
	return it.Key
}

// owed counts the effects that a store answers for and that are not there.
func (l *ledger) owed() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for src, effects := range l.wanted {
		for _, e := range effects {
			_, arrived := l.arrived[e.Sink][arrival{src, e.ID}]
			if !arrived && l.failures.Answered(src, e) && !l.everExcused(src, e) {
				n++
			}
		}
	}
	return n
}

// buried notes a dead letter.
func (l *ledger) buried(at randpipe.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failures.Buried(at) {
		l.problem("dead letter for %v, which did not fail", at)
	}
}

// arrives notes that a value is in a sink.
func (l *ledger) arrives(sink string, it randpipe.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := false
	for _, e := range l.wanted[it.Src] {
		known = known || e.Sink == sink && e.ID == it.ID
	}
	if !known {
		l.problem("sink %s got %v, which nothing gives", sink, it)
	}
	l.inOrder(sink, it)
	l.seen[it.At(sink)] = true
	if l.arrived[sink] == nil {
		l.arrived[sink] = make(map[arrival]int)
	}
	if _, again := l.arrived[sink][arrival{it.Src, it.ID}]; !again {
		l.arrived[sink][arrival{it.Src, it.ID}] = it.Delivery
	}
}

// inOrder holds an arrival against rule 8: earlier inputs of its key are over, or have arrived.
func (l *ledger) inOrder(sink string, it randpipe.Item) {
	if key := l.keyOfLocked(sink, it); key == "" || l.late[key] {
		return
	}
	for src, in := range l.inputs {
		if src >= it.Src || in.key != it.Key || in.over {
			continue
		}
		for _, e := range l.wanted[src] {
			if e.Sink != sink || e.Lane != it.Lane {
				continue
			}
			if _, ok := l.arrived[sink][arrival{src, e.ID}]; !ok && !l.everExcused(src, e) {
				l.problem("sink %s got %v before %x of input %d (rule 8)", sink, it, e.ID, src)
			}
		}
	}
}

// everExcused tells whether a delivery of the input need not have had the effect.
func (l *ledger) everExcused(src int, e randpipe.Effect) bool {
	for d := 1; ; d++ {
		h := handout{src, d}
		if _, read := l.settled[h]; !read {
			return false
		}
		if l.failures.Excuse(src, d, e) {
			return true
		}
	}
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
			at := randpipe.Place{Stage: e.Sink, Src: h.src, Delivery: h.delivery, ID: e.ID}
			_, before := l.arrived[e.Sink][arrival{h.src, e.ID}]
			once := e.Once() && (before || l.everExcused(h.src, e))
			if !l.seen[at] && !once && !l.failures.Answered(h.src, e) && !l.failures.Excuse(h.src, h.delivery, e) {
				l.problem("%v is done, but %x is not in sink %s", h, e.ID, e.Sink)
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
