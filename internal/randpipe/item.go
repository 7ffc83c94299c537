package randpipe

import "slices"

// Item is a value on its way. It tells which delivery of which input it came of, and by ID, which is a
// function of the input and of the stages passed, what it is.
type Item struct {
	Src      int    // the input's number
	Delivery int    // of the input, as the test numbers them
	ID       uint64 // what it is
	Lane     int    // which branch of a merged broadcast it came by; 0 for none
	Key      string // the input's key; "" if the source orders by none
}

// At gives the place of the item at a stage or a sink.
func (it Item) At(stage string) Place { return Place{stage, it.Src, it.Delivery, it.ID} }

// Place is a value at a stage or a sink, in one delivery of its input.
type Place struct {
	Stage    string
	Src      int
	Delivery int
	ID       uint64
}

// Effect is a value that must reach a sink.
type Effect struct {
	Sink string
	ID   uint64
	Lane int
	hops []hop
}

// Once tells whether the effect is left out of a delivery when it was there, or was excused, in another.
func (e Effect) Once() bool { return slices.ContainsFunc(e.hops, func(h hop) bool { return h.once }) }

// Kept tells whether a store answers for the effect on its way.
func (e Effect) Kept() bool { return slices.ContainsFunc(e.hops, func(h hop) bool { return h.kept }) }

// hop is a stage on the way of a value, what the value was there, and the policy of the stage.
type hop struct {
	stage    string
	policy   policy
	id       uint64
	once     bool // what was there is there no second time
	optional bool // nothing behind it is owed
	kept     bool // a store answers for what was there
}

// Failures is what a test knows of failures and drops, by which an effect may be missing.
type Failures struct {
	failed   map[Place]int
	final    map[Place]bool // no retry mends it
	dead     map[Place]bool
	dropped  map[Place]bool
	repeated map[Place]int
	kept     map[Place]bool // whatever the delivery
	returned map[Place]bool
}

// NewFailures knows of none.
func NewFailures() *Failures {
	return &Failures{
		failed: make(map[Place]int), final: make(map[Place]bool), dead: make(map[Place]bool), dropped: make(map[Place]bool),
		repeated: make(map[Place]int), kept: make(map[Place]bool), returned: make(map[Place]bool),
	}
}

// Failed notes that a stage or a sink failed at a value; final, that retries are in vain.
func (f *Failures) Failed(at Place, final bool) {
	f.failed[at]++
	if final {
		f.final[at] = true
	}
}

// Buried notes a dead letter, and reports whether there is a failure that it can be of.
func (f *Failures) Buried(at Place) bool {
	f.dead[at] = true
	return f.failed[at] > 0
}

// Returned notes that what failed is to come again as another delivery, by a message of its own, and reports
// whether there is a failure that it can be of.
func (f *Failures) Returned(at Place) bool {
	f.returned[at] = true
	return f.failed[at] > 0
}

// Returns tells whether an effect is not of a delivery any more, but of one that is to come.
func (f *Failures) Returns(src, delivery int, e Effect) bool {
	return slices.ContainsFunc(e.hops, func(h hop) bool {
		return h.policy.final == deadLetter && f.returned[Place{h.stage, src, delivery, h.id}]
	})
}

// Dropped notes that an operator was free to drop a value.
func (f *Failures) Dropped(at Place) { f.dropped[at] = true }

// Repeated notes that an operator gives a value once more.
func (f *Failures) Repeated(at Place) { f.repeated[at]++ }

// Kept notes that a store has a value.
func (f *Failures) Kept(at Place) {
	at.Delivery = 0
	f.kept[at] = true
}

// Answered tells whether a store answers for an effect by now.
func (f *Failures) Answered(src int, e Effect) bool {
	return slices.ContainsFunc(e.hops, func(h hop) bool { return f.kept[Place{Stage: h.stage, Src: src, ID: h.id}] })
}

// Repeats tells how often an effect of a delivery may be there besides the first time.
func (f *Failures) Repeats(src, delivery int, e Effect) (n int) {
	for _, h := range e.hops {
		n += f.repeated[Place{h.stage, src, delivery, h.id}]
	}
	return n
}

// Excuse tells whether a stage on the way may have ended the effect in a delivery.
func (f *Failures) Excuse(src, delivery int, e Effect) bool {
	for _, h := range e.hops {
		at := Place{h.stage, src, delivery, h.id}
		switch {
		case h.optional, f.dropped[at]:
			return true
		case h.policy.final == skip && (f.failed[at] > h.policy.retries || f.final[at]):
			return true
		case h.policy.final == deadLetter && f.dead[at]:
			return true
		}
	}
	return false
}
