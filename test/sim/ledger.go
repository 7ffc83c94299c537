package sim

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
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
	Promise   Rule = "Promise"
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

// The properties by which messages tell what they are.
const (
	propertySource   = "sim-source"
	propertyID       = "sim-id"
	propertyDelivery = "sim-delivery"
	propertyLane     = "sim-lane"
)

// bodyOf is what the message of an item says.
func bodyOf(it randpipe.Item) string { return fmt.Sprintf("value %x of input %d", it.ID, it.Src) }

// messageOf gives an item as it is sent to a topic.
func messageOf(it randpipe.Item, topic string) *client.Message {
	return &client.Message{
		Topic: topic, Body: []byte(bodyOf(it)), MessageGroup: it.Key,
		Properties: map[string]string{
			propertySource: strconv.Itoa(it.Src), propertyID: strconv.FormatUint(it.ID, 16),
			propertyDelivery: strconv.Itoa(it.Delivery), propertyLane: strconv.Itoa(it.Lane),
		},
	}
}

// itemOf reads what messageOf has written. Deliveries are numbered among all of the world.
func itemOf(properties map[string]string, group string) randpipe.Item {
	number := func(name string) int {
		n, _ := strconv.Atoi(properties[name]) // 0 where there is none
		return n
	}
	id, _ := strconv.ParseUint(properties[propertyID], 16, 64)
	return randpipe.Item{
		Src: number(propertySource), Delivery: number(propertyDelivery), ID: id, Lane: number(propertyLane), Key: group,
	}
}

// arrival is a value in a sink.
type arrival struct {
	sink string
	id   uint64
	lane int
}

// An input is a message that producers send.
type input struct {
	randpipe.Item
	number  int // among those of its key
	wanted  []randpipe.Effect
	stored  bool // an answer said so
	copies  int  // that were stored to the ledger's knowledge
	tried   bool // a delivery of it was acknowledged, perhaps without an answer
	over    bool // it was, with an answer
	putOff  bool // the broker has, or had, a retry of it
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

	original string // the id that the message was first received with
	retries  int    // how often it has come by the retry topic
	stored   int    // retries of it that the broker has
}

// ledger knows from a plain evaluation of the stages' functions what must happen, is told what does, and
// keeps the rules.
type ledger struct {
	w *world

	mu         sync.Mutex
	violations []Violation
	inputs     map[int]*input
	byKey      map[string][]*input    // in order
	deliveries []delivery             // by number, from 1
	handles    map[string]int         // deliveries by receipt handle
	seen       map[randpipe.Place]int // in sinks: how often
	unclear    map[randpipe.Place]int // writes of it that may have happened or not
	failures   *randpipe.Failures
	acks       map[string]int       // that were answered well, by message id
	acked      map[string]time.Time // when the latest of them was
	retries    map[string]*retry    // by message id
	tries      int                  // how often an input may come again
}

func newLedger(w *world) *ledger {
	return &ledger{
		w: w, inputs: make(map[int]*input), byKey: make(map[string][]*input), deliveries: make([]delivery, 1),
		handles: make(map[string]int), seen: make(map[randpipe.Place]int), unclear: make(map[randpipe.Place]int),
		failures: randpipe.NewFailures(), acks: make(map[string]int), acked: make(map[string]time.Time),
		retries: make(map[string]*retry),
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
func (l *ledger) expect(it randpipe.Item, effects []randpipe.Effect) {
	in := &input{Item: it, wanted: effects, arrived: make(map[arrival]int)}
	if it.Key != "" {
		in.number = len(l.byKey[it.Key])
		l.byKey[it.Key] = append(l.byKey[it.Key], in)
	}
	l.inputs[it.Src] = in
}

// failed notes that a stage or a sink failed at a value; final, that retries are in vain.
func (l *ledger) failed(at randpipe.Place, final bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures.Failed(at, final)
}

// dropped notes that an operator may drop a value.
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

// repeated notes that an operator gives a value once more.
func (l *ledger) repeated(at randpipe.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures.Repeated(at)
}

// buried notes a dead letter.
func (l *ledger) buried(at randpipe.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failures.Buried(at) {
		l.violatedLocked(Unknown, "dead letter for %v, which did not fail", at)
	}
}

// mayRepeat notes a write of a value to a sink of which nobody knows whether it happened.
func (l *ledger) mayRepeat(sink string, it randpipe.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unclear[it.At(sink)]++
}

// arrives notes that a value is in a sink.
func (l *ledger) arrives(sink string, it randpipe.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, ok := l.inputs[it.Src]
	if !ok || !in.wants(sink, it.ID) {
		l.violatedLocked(Unknown, "sink %s got %x of input %d, which nothing gives", sink, it.ID, it.Src)
		return
	}
	l.inOrderLocked(sink, it, in)
	at := it.At(sink)
	if l.seen[at]++; l.seen[at] > l.mostLocked(at, in) {
		l.violatedLocked(Duplicate, "sink %s got %x of input %d %d times in one delivery", sink, it.ID, it.Src, l.seen[at])
	}
	in.arrived[arrival{sink, it.ID, it.Lane}]++
}

func (in *input) wants(sink string, id uint64) bool { return in.times(sink, id) > 0 }

// times tells how often a value must reach a sink: more than once only by several branches.
func (in *input) times(sink string, id uint64) int {
	n := 0
	for _, e := range in.wanted {
		if e.Sink == sink && e.ID == id {
			n++
		}
	}
	return n
}

// mostLocked is how often a value may be in a sink by one delivery.
func (l *ledger) mostLocked(at randpipe.Place, in *input) int {
	most := l.unclear[at]
	for _, e := range in.wanted {
		if e.Sink == at.Stage && e.ID == at.ID {
			most += 1 + l.failures.Repeats(at.Src, at.Delivery, e)
		}
	}
	return most
}

// inOrderLocked holds an arrival against the earlier inputs of its key. What was put off has left the order: it
// comes behind later ones, and may come before earlier ones that wait.
func (l *ledger) inOrderLocked(sink string, it randpipe.Item, in *input) {
	if in.Key == "" || in.putOff {
		return
	}
	for _, before := range l.byKey[in.Key][:in.number] {
		if before.over || before.putOff {
			continue
		}
		for _, e := range before.wanted {
			if e.Sink == sink && e.Lane == it.Lane && !e.Kept() && before.arrived[arrival{sink, e.ID, e.Lane}] == 0 && !l.everExcusedLocked(before, e) {
				l.violatedLocked(Order, "sink %s got %x of input %d before %x of input %d, of %q", sink, it.ID, it.Src, e.ID, before.Src, in.Key)
			}
		}
	}
}

// everExcusedLocked tells whether an effect need not be there by now.
func (l *ledger) everExcusedLocked(in *input, e randpipe.Effect) bool {
	return slices.ContainsFunc(in.given, func(n int) bool { return l.failures.Excuse(in.Src, n, e) }) || l.w.host.buried(in.Src)
}

// given notes that the broker has sent a message to a member, and gives the number of the delivery. The
// answer began to come at a time; the rest of it can be on its way while the message is delivered again,
// and acknowledged.
func (l *ledger) given(src int, id, handle string, begun time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, ok := l.inputs[src]
	if !ok {
		l.violatedLocked(Unknown, "a message says that it is of input %d, which there is not", src)
		return 0
	}
	if l.acks[id] > 0 && l.acked[id].Before(begun) && l.acks[id] >= l.w.host.copies(id) {
		l.violatedLocked(Settled, "a message of input %d comes again, though it was acknowledged", src)
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

// acknowledges notes that a member acknowledges: all effects must be there, or a store answer for them.
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
	if r := l.retries[l.deliveries[n].message]; r != nil {
		r.tried = true
	}
	for _, e := range in.wanted {
		once := e.Once() && (in.arrived[arrival{e.Sink, e.ID, e.Lane}] > 0 || l.everExcusedLocked(in, e) || l.waitsLocked(in.Src))
		seen := l.seen[randpipe.Place{Stage: e.Sink, Src: in.Src, Delivery: pass, ID: e.ID}] > 0
		if !seen && !once && !l.failures.Answered(in.Src, e) && !l.failures.Excuse(in.Src, pass, e) && !l.comesAgainLocked(n, pass, e) {
			l.violatedLocked(EarlyAck, "delivery %d of input %d is acknowledged, but %x is not in sink %s", n, in.Src, e.ID, e.Sink)
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
	l.acked[d.message] = time.Now()
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

// unfinished gives the inputs that nobody has acknowledged, they or a retry of them, and that are not among the broker's dead
// letters. What was acknowledged without an answer may be settled or not: the backlog tells.
func (l *ledger) unfinished() (all []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.inputs {
		if !in.tried && !l.w.host.buried(in.Src) {
			all = append(all, in.Src)
		}
	}
	all = append(all, l.waitingLocked()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// owed counts the effects that a store answers for and that are not there.
func (l *ledger) owed() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.inputs {
		for _, e := range in.wanted {
			if l.failures.Answered(in.Src, e) && in.arrived[arrival{e.Sink, e.ID, e.Lane}] == 0 && !l.everExcusedLocked(in, e) {
				n++
			}
		}
	}
	return n
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
