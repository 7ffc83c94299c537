package operators

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// keeper is a running operator of windows in a store. Process gathers records; a goroutine commits what
// has come since it last did, and gives results. What is under mu is shared, the rest is that
// goroutine's.
type keeper[K comparable, T, A, O any] struct {
	keptWindowing[K, T, A, O]
	rt      stage.Runtime
	next    stage.Emitter[O]
	disturb func(context.Context, any, stage.Info) error // nil but in tests
	tables  keptTables
	self    string        // the process, among the members
	knows   bool          // values have ids
	part    string        // the partition of all records, if there is one
	pastFor time.Duration // how long closed panes are kept
	slots   chan struct{}
	wake    chan struct{}

	mu      sync.Mutex
	come    []*keptValue[K, T]
	over    []*keptFlight[K, A] // results whose outcome is known
	mark    *watermark          // nil if time is that of the clock
	places  keptPlaces
	excused map[uint64]struct{} // records that failed here, and are not late by that
	asked   chan struct{}       // the input has ended: closed when what it leaves has been given
	closed  bool                // the goroutine has ended
	fresh   bool                // values have been counted since the input had ended
	pending int                 // keys of todo
	many    int                 // how much has to come to be made up behind the commit under way
	stirs   bool                // the goroutine is to look at what has come

	number   uint64 // of the last turn
	drained  bool   // the run ends before the input
	given    bool   // all that the end of the input leaves was given, and no row can have changed since but by that
	seat     keptSeat
	floor    keptFloor
	past     past
	begun    time.Time
	lenient  time.Time // until then nothing is late: see noticeSilence
	own      instant   // the watermark of what has been committed here
	at       keptAt
	high     instant // that of all
	others   map[string]keptMember
	owners   map[string]struct{}  // of them, those that have results on their way which the end has left to them
	synced   time.Time            // when others were last asked
	under    *keptCommit[K, T, A] // the commit under way, if there is one
	memory   [2]keptTurn[K, T, A] // of its turn, and of the next
	here     map[keptID]bool      // values of a turn
	cache    keptCache[A]
	out      map[string]*keptFlight[K, A] // by key: results on their way
	todo     map[string]keptTodo[K]       // keys to be looked at, whatever the watermark
	reached  instant                      // what was due up to that was looked at
	nextDue  instant                      // nothing is due before
	fullAt   time.Time                    // when all that is due is looked at again, others' too
	changed  map[string]*keptChanged[K]   // panes for early results, by key
	earlyAt  time.Time
	restAt   time.Time // until then the store is left alone, since it failed
	restFor  time.Duration
	lastTime instant // own, as the store has it
	lastAt   keptAt
}

const (
	// keptSlots is how many records may wait for a commit, those being committed included.
	keptSlots = 4096
	// keptMany is how many records, and keys with results that are over, make a commit of their own while
	// another is under way.
	keptMany = 256
	// keptRest is how long the store is left alone at most when it has failed.
	keptRest = 5 * time.Second
)

// Start begins to keep windows.
func (w keptWindowing[K, T, A, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[T], error) {
	up := rt.Upstream()
	if w.kept.Heartbeat == 0 {
		w.kept.Heartbeat = DefaultHeartbeat
	}
	if w.kept.Keys == nil {
		w.kept.Keys = state.Default[K]()
	}
	if w.kept.Values == nil {
		w.kept.Values = state.Default[A]()
	}
	p := &keeper[K, T, A, O]{
		rt: rt, next: next, disturb: stage.Disturbance(rt), self: "process " + rand.Text(), part: up.Partition,
		knows: up.Redelivers || w.Identify != nil,
		slots: make(chan struct{}, keptSlots), many: keptMany, wake: make(chan struct{}, 1), excused: make(map[uint64]struct{}),
		begun: rt.Now(), own: never, at: keptIdle, high: soon, reached: never, nextDue: soon, lastTime: never, lastAt: keptIdle,
		here: make(map[keptID]bool), out: make(map[string]*keptFlight[K, A]),
		owners: make(map[string]struct{}), todo: make(map[string]keptTodo[K]), changed: make(map[string]*keptChanged[K]),
	}
	if stage.Followed(rt) {
		p.many = 1 // a test has few records
	}
	if up.Redelivers {
		p.past.grace = up.Redelivery + up.Redelivery/4 + time.Minute
		p.pastFor = p.past.grace + p.past.grace/8 + w.kept.Heartbeat
	}
	switch {
	case w.kept.Remember == 0:
		w.kept.Remember = max(DefaultRemember, 2*p.past.grace)
	case w.kept.Remember < p.past.grace:
		return nil, fmt.Errorf("operators: window: ids of counted records are remembered for %v, but a record can come again after %v: remember them longer", w.kept.Remember, p.past.grace)
	}
	p.keptWindowing, p.tables = w, tablesOf(w.kept.Name)
	if w.Clock.event && w.Windows.kind != counted {
		p.mark = newWatermark(guarded{rt, &p.mu}, w.Clock.outOfOrder, w.Clock.idle, func(context.Context) { p.stir() })
		stage.Steps(rt, func(_ context.Context, to time.Time) {
			p.mu.Lock()
			p.mark.reach(instantOf(to))
			p.mu.Unlock()
			p.stir()
		})
	}
	rt.Go(p.run)
	return p, nil
}

// keptWork is what the goroutine finds to do.
type keptWork[K comparable, T, A any] struct {
	values []*keptValue[K, T]
	over   []*keptFlight[K, A]
	own    instant
	at     keptAt
	asked  chan struct{}
}

// run is the goroutine.
func (p *keeper[K, T, A, O]) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var answer chan struct{}
		if p.under != nil {
			answer = p.under.answer
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-answer:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			p.await(ctx)
			p.close(ctx)
			return
		}
		switch p.standing() {
		case keptWaits:
			continue
		case keptJoins:
			p.await(ctx)
		}
		w := p.find()
		p.work(ctx, w)
		if w.asked != nil {
			p.await(ctx)
			if p.rt.Ended() {
				p.end(ctx)
			} else {
				p.drained = true
			}
			close(w.asked)
		}
		timer.Reset(p.rest())
	}
}

// find takes what has come, and the watermark as it is with that.
func (p *keeper[K, T, A, O]) find() (w keptWork[K, T, A]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.values, p.come = p.come, make([]*keptValue[K, T], 0, len(p.come)) // much comes after much
	w.over, p.over = p.over, nil
	p.stirs = false
	w.asked, p.asked = p.asked, nil
	switch {
	case p.mark != nil:
		w.own, w.at = p.mark.advance(), keptWorks
		if p.mark.idling() {
			w.at = keptIdle
		}
	case p.Windows.kind != counted:
		w.own, w.at = instantOf(p.rt.Now()), keptWorks
	default:
		w.own, w.at = never, keptIdle
	}
	return w
}

// work commits what has come, and gives the results that are due. While nothing is due it does not wait for
// the commit.
func (p *keeper[K, T, A, O]) work(ctx context.Context, w keptWork[K, T, A]) {
	now := p.rt.Now()
	if len(w.values) == 0 && p.at == keptEnded {
		w.at = keptEnded
	}
	tells := len(w.values)+len(w.over) > 0 || p.seat.told.IsZero() || now.Sub(p.seat.told) >= p.kept.Heartbeat/3 ||
		(w.own != p.lastTime || w.at != p.lastAt) && (w.own >= p.nextDue || len(p.others) > 0 && now.Sub(p.seat.told) >= keptSyncEvery)
	if tells && (len(w.values) > 0 || !now.Before(p.restAt)) {
		p.countAll(ctx, w)
	} else {
		p.later(w.over)
	}
	if p.under != nil && !p.presses() {
		return
	}
	p.await(ctx)
	if p.rt.Now().Before(p.restAt) {
		return
	}
	if p.at != keptEnded && !p.drained { // else Drain has them given, with what is below, or the next process does
		p.given = false // what was given by the end may be put off by what is given by the watermark
		p.rested(p.give(ctx))
	}
	p.publish()
}

// presses tells whether something is to be given now.
func (p *keeper[K, T, A, O]) presses() bool {
	now := p.rt.Now()
	if !now.Before(p.fullAt) || p.high >= p.nextDue || len(p.changed) > 0 && !now.Before(p.earlyAt) {
		return true
	}
	for _, t := range p.todo {
		if !t.at.After(now) {
			return true
		}
	}
	return false
}

// publish lets Unfinished know what is to be done.
func (p *keeper[K, T, A, O]) publish() {
	p.mu.Lock()
	p.pending = len(p.todo)
	p.mu.Unlock()
}

var (
	_ stage.Processor[int] = (*keeper[int, int, int, int])(nil)
	_ stage.Unfinished     = (*keeper[int, int, int, int])(nil)
)
