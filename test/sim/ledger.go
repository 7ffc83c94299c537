package sim

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/rocketflow-io/rocketflow/client"
)

// A Rule is what a world must keep; see the package's documentation.
type Rule string

// The rules.
const (
	Loss      Rule = "Loss"
	EarlyAck  Rule = "EarlyAck"
	Order     Rule = "Order"
	Unknown   Rule = "Unknown"
	Duplicate Rule = "Duplicate"
	Settled   Rule = "Settled"
	Ending    Rule = "Ending"
)

// A Violation is a rule that was broken.
type Violation struct {
	Rule Rule
	What string
}

// String gives the rule, and what happened.
func (v Violation) String() string { return string(v.Rule) + ": " + v.What }

// maxViolations is how many are kept.
const maxViolations = 5

// item is a value on its way through a pipeline. It tells which delivery of which input it came of,
// and by id, which is a function of the input and of the stages passed, what it is.
type item struct {
	src      int    // the input's number
	delivery int    // of a message, among all deliveries of the world
	id       uint64 // what it is
	lane     int    // which branch of a merged broadcast it came by; 0 for none
	key      string // the input's message group; "" if the group does not order
}

// The properties by which messages tell what they are.
const (
	propertySource   = "sim-source"
	propertyID       = "sim-id"
	propertyDelivery = "sim-delivery"
	propertyLane     = "sim-lane"
)

// body is what the message of an item says.
func (it item) body() string { return fmt.Sprintf("value %x of input %d", it.id, it.src) }

// message gives an item as it is sent to a topic.
func (it item) message(topic string) *client.Message {
	return &client.Message{
		Topic: topic, Body: []byte(it.body()), MessageGroup: it.key,
		Properties: map[string]string{
			propertySource: strconv.Itoa(it.src), propertyID: strconv.FormatUint(it.id, 16),
			propertyDelivery: strconv.Itoa(it.delivery), propertyLane: strconv.Itoa(it.lane),
		},
	}
}

// itemOf reads what message has written.
func itemOf(properties map[string]string, group string) item {
	number := func(name string) int {
		n, _ := strconv.Atoi(properties[name]) // 0 where there is none
		return n
	}
	id, _ := strconv.ParseUint(properties[propertyID], 16, 64)
	return item{
		src: number(propertySource), delivery: number(propertyDelivery), id: id, lane: number(propertyLane), key: group,
	}
}

// place is a value at a stage or a sink, in one delivery of its input.
type place struct {
	stage    string
	delivery int
	id       uint64
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

// arrival is a value in a sink.
type arrival struct {
	sink string
	id   uint64
	lane int
}

// An input is a message that producers send.
type input struct {
	item
	number  int // among those of its key
	wanted  []effect
	stored  bool // an answer said so
	copies  int  // that were stored to the ledger's knowledge
	tried   bool // a delivery of it was acknowledged, perhaps without an answer
	over    bool // it was, with an answer
	arrived map[arrival]int
	given   []int // its deliveries
}

// A delivery is a message that was given to a member of the group. A source that waits itself for what
// failed lets it pass the pipeline more than once; each further pass has a number like a delivery's.
type delivery struct {
	src     int
	message string // its id
	pass    int    // the number of the latest pass; 0 for none
	settled bool   // acknowledged, and answered so
}

// ledger knows from a plain evaluation of the stages' functions what must happen, is told what does, and
// keeps the rules.
type ledger struct {
	w *world

	mu         sync.Mutex
	violations []Violation
	inputs     map[int]*input
	byKey      map[string][]*input // in order
	deliveries []delivery          // by number, from 1
	handles    map[string]int      // deliveries by receipt handle
	seen       map[place]int       // in sinks: how often
	unclear    map[place]int       // writes of it that may have happened or not
	failures   map[place]int
	final      map[place]bool // a failure that no retry can mend
	dead       map[place]bool
	acks       map[string]int // that were answered well, by message id
}

func newLedger(w *world) *ledger {
	return &ledger{
		w: w, inputs: make(map[int]*input), byKey: make(map[string][]*input), deliveries: make([]delivery, 1),
		handles: make(map[string]int), seen: make(map[place]int), unclear: make(map[place]int),
		failures: make(map[place]int), final: make(map[place]bool), dead: make(map[place]bool), acks: make(map[string]int),
	}
}

func (l *ledger) violatedLocked(r Rule, format string, args ...any) {
	v := Violation{r, fmt.Sprintf(format, args...)}
	l.w.note("VIOLATION %v", v)
	if len(l.violations) < maxViolations {
		l.violations = append(l.violations, v)
	}
}

// violated notes a violation that something else found.
func (l *ledger) violated(r Rule, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violatedLocked(r, format, args...)
}

// expect says what an input must come to.
func (l *ledger) expect(it item, effects []effect) {
	in := &input{item: it, wanted: effects, arrived: make(map[arrival]int)}
	if it.key != "" {
		in.number = len(l.byKey[it.key])
		l.byKey[it.key] = append(l.byKey[it.key], in)
	}
	l.inputs[it.src] = in
}

// failed notes that a stage or a sink failed at a value; final, that retries are in vain.
func (l *ledger) failed(at place, final bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures[at]++
	if final {
		l.final[at] = true
	}
}

// buried notes a dead letter.
func (l *ledger) buried(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures[at] == 0 {
		l.violatedLocked(Unknown, "dead letter for %v, which did not fail", at)
	}
	l.dead[at] = true
}

// mayRepeat notes a write of a value to a sink of which nobody knows whether it happened.
func (l *ledger) mayRepeat(sink string, it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unclear[place{sink, it.delivery, it.id}]++
}

// arrives notes that a value is in a sink.
func (l *ledger) arrives(sink string, it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, ok := l.inputs[it.src]
	if !ok || !in.wants(sink, it.id) {
		l.violatedLocked(Unknown, "sink %s got %x of input %d, which nothing gives", sink, it.id, it.src)
		return
	}
	l.inOrderLocked(sink, it, in)
	at := place{sink, it.delivery, it.id}
	if l.seen[at]++; l.seen[at] > in.times(sink, it.id)+l.unclear[at] {
		l.violatedLocked(Duplicate, "sink %s got %x of input %d %d times in one delivery", sink, it.id, it.src, l.seen[at])
	}
	in.arrived[arrival{sink, it.id, it.lane}]++
}

func (in *input) wants(sink string, id uint64) bool { return in.times(sink, id) > 0 }

// times tells how often a value must reach a sink: more than once only by several branches.
func (in *input) times(sink string, id uint64) int {
	n := 0
	for _, e := range in.wanted {
		if e.sink == sink && e.id == id {
			n++
		}
	}
	return n
}

// inOrderLocked holds an arrival against the earlier inputs of its key.
func (l *ledger) inOrderLocked(sink string, it item, in *input) {
	if in.key == "" {
		return
	}
	for _, before := range l.byKey[in.key][:in.number] {
		if before.over {
			continue
		}
		for _, e := range before.wanted {
			if e.sink == sink && e.lane == it.lane && before.arrived[arrival{sink, e.id, e.lane}] == 0 && !l.everExcusedLocked(before, e) {
				l.violatedLocked(Order, "sink %s got %x of input %d before %x of input %d, of %q", sink, it.id, it.src, e.id, before.src, in.key)
			}
		}
	}
}

// everExcusedLocked tells whether an effect need not be there by now.
func (l *ledger) everExcusedLocked(in *input, e effect) bool {
	return slices.ContainsFunc(in.given, func(n int) bool { return l.excusedLocked(n, e) }) || l.w.host.buried(in.src)
}

// excusedLocked tells whether a stage on the way may have ended the effect by its policy.
func (l *ledger) excusedLocked(n int, e effect) bool {
	for _, hop := range e.hops {
		at := place{hop.stage, n, hop.id}
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

// given notes that the broker has sent a message to a member, and gives the number of the delivery.
func (l *ledger) given(src int, id, handle string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, ok := l.inputs[src]
	if !ok {
		l.violatedLocked(Unknown, "message %s is of no input", id)
		return 0
	}
	if l.acks[id] > 0 && l.acks[id] >= l.w.host.copies(id) {
		l.violatedLocked(Settled, "message %s of input %d comes again, though it was acknowledged", id, src)
	}
	l.deliveries = append(l.deliveries, delivery{src: src, message: id})
	n := len(l.deliveries) - 1
	l.handles[handle] = n
	in.given = append(in.given, n)
	return n
}

// passes notes that a delivery enters the pipeline, and gives the number of the pass.
func (l *ledger) passes(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= 0 || n >= len(l.deliveries) {
		l.violatedLocked(Unknown, "delivery %d enters, which never was", n)
		return 0
	}
	pass := n
	if d := l.deliveries[n]; d.pass != 0 {
		l.deliveries = append(l.deliveries, delivery{src: d.src, message: d.message})
		pass = len(l.deliveries) - 1
		in := l.inputs[d.src]
		in.given = append(in.given, pass)
	}
	l.deliveries[n].pass = pass
	return pass
}

// renewed notes another receipt handle of a delivery.
func (l *ledger) renewed(handle, fresh string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.handles[handle]; ok && fresh != "" {
		l.handles[fresh] = n
	}
}

// acknowledges notes that a member acknowledges: all effects must be there.
func (l *ledger) acknowledges(handle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.handles[handle]
	if !ok {
		l.violatedLocked(Unknown, "an acknowledgement by a handle that was never given: %s", handle)
		return
	}
	in, pass := l.inputs[l.deliveries[n].src], max(n, l.deliveries[n].pass)
	in.tried = true
	for _, e := range in.wanted {
		if l.seen[place{e.sink, pass, e.id}] == 0 && !l.excusedLocked(pass, e) {
			l.violatedLocked(EarlyAck, "delivery %d of input %d is acknowledged, but %x is not in sink %s", n, in.src, e.id, e.sink)
		}
	}
}

// acknowledged notes that the broker has taken an acknowledgement.
func (l *ledger) acknowledged(handle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.handles[handle]
	if !ok {
		return
	}
	d := &l.deliveries[n]
	if d.settled {
		return // once more, since the first answer was lost
	}
	d.settled = true
	l.acks[d.message]++
	l.inputs[d.src].over = true
}

// handsBack notes that a member gives a message back, or moves it to the dead letters.
func (l *ledger) handsBack(handle, how string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.handles[handle]; ok && l.deliveries[n].settled {
		l.violatedLocked(Settled, "delivery %d of input %d was acknowledged and is %s", n, l.deliveries[n].src, how)
	}
}

// stored notes that the broker has an input.
func (l *ledger) stored(src int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, ok := l.inputs[src]
	if !ok {
		return
	}
	if in.copies++; in.copies == 2 {
		l.w.happened(InputTwice, "input %d", src)
	}
}

// accepted notes that a producer was told that the broker has an input.
func (l *ledger) accepted(src int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inputs[src].stored = true
}

// unfinished gives the inputs that nobody has acknowledged, and that are not among the broker's dead
// letters. What was acknowledged without an answer may be settled or not: the backlog tells.
func (l *ledger) unfinished() (all []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.inputs {
		if !in.tried && !l.w.host.buried(in.src) {
			all = append(all, in.src)
		}
	}
	slices.Sort(all)
	return all
}

// name is what a trace calls a delivery.
func (l *ledger) name(handle string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.handles[handle]
	if !ok {
		return "?"
	}
	return fmt.Sprintf("%d(%d)", n, l.deliveries[n].src)
}
