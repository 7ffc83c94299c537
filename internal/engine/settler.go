package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

const (
	// settleLinger is how long outcomes of a read wait for the rest of it. Where there are so many reads
	// with some outcomes that to look through them takes its time, as when many windows are complete at
	// once, it is lingerShare times as long as that last took, up to maxLinger.
	settleLinger = 10 * time.Millisecond
	lingerShare  = 10
	maxLinger    = time.Second
	// settleHelpers is how many calls of Settle may run besides the settler's own; one is added
	// when helpBacklog reads wait.
	settleHelpers = 7
	helpBacklog   = 4
)

// settler gives outcomes back to a source: whole reads at once, what is left over after a short
// wait for more. It works on goroutines of its own, so that no stage waits for an ack (rule 7).
type settler struct {
	stage  *Stage
	run    *Run
	ledger *ledger // nil if the source is not keyed
	pace   *pace
	inline bool // Settle waits for nothing: whole reads are delivered by who settles their last record

	wake chan struct{} // something is ready, or partial for the first time
	room chan struct{} // outcomes were delivered, for who waits in untilRoom or untilQuiet

	mu       sync.Mutex    // guards what follows
	reads    []deliverable // those not over, in no order
	queue    []deliverable // to be delivered
	partial  []deliverable // to be delivered after the linger
	awaited  bool          // someone waits for room
	inflight int           // records whose outcome was not delivered
	bytes    int           // what they weigh
	failed   bool          // an outcome was a failure, since the last takeFailed
	spare    []*outcomes   // those that no call uses
	helpers  int
	report   settleReport
	looked   time.Duration // time taken to look for outcomes, since lingers last was asked

	helping sync.WaitGroup
}

// settleReport is what a settler counted.
type settleReport struct {
	done, failed, handedBack, lost int
	first                          error // the first failure
	firstInfo                      stage.Info
}

// deliverable is a read, without its type.
type deliverable interface {
	progress() *delivery
	readNumber() uint64
	collect(found *outcomes) []stage.Outcome
	settle(ctx context.Context, outcomes []stage.Outcome) error
	rearm()
	size() int
	weight(i int) int
	info(i int) stage.Info
	abandon(err error) int
	recycle() // called under the settler's lock
}

// delivery is where a read stands with its settler, under the settler's lock.
type delivery struct {
	state deliveryState
	again bool // outcomes came while busy
	all   bool // every record is settled and the slab is ours
	whole bool // it was so when the read became busy
	place int  // in settler.reads
}

type deliveryState int

const (
	idle deliveryState = iota
	partial
	queued
	busy
)

func (s *settler) open(st *Stage, l *ledger, p *pace) {
	s.stage, s.run, s.ledger, s.pace = st, st.run, l, p
	s.wake = make(chan struct{}, 1)
	s.room = make(chan struct{}, 1)
}

// add counts the records of a new read.
func (s *settler) add(d deliverable) {
	s.mu.Lock()
	d.progress().place = len(s.reads)
	s.reads = append(s.reads, d)
	s.inflight += d.size()
	if s.pace.weighs {
		for i := range d.size() {
			s.bytes += d.weight(i)
		}
	}
	s.mu.Unlock()
	s.pace.began()
}

// ready takes a read with outcomes to deliver. It does not wait.
func (s *settler) ready(d deliverable, all bool) {
	s.mu.Lock()
	p := d.progress()
	p.all = p.all || all
	if s.inline && p.all && p.state != busy {
		room := s.beginLocked(p)
		s.mu.Unlock()
		s.deliver(d, room)
		return
	}
	if p.state == busy {
		p.again = true
	} else {
		s.enqueueLocked(d, p)
	}
	help := len(s.queue) > helpBacklog*(s.helpers+1) && s.helpers < settleHelpers
	if help {
		s.helpers++
		s.helping.Add(1)
	}
	s.mu.Unlock()
	if help {
		go s.help()
		return
	}
	signal(s.wake)
}

// collect gives the outcomes of a read to deliver, and how long it took to look for them if it is one of
// those that have lingered.
func (s *settler) collect(d deliverable, room *outcomes) (found []stage.Outcome, looked time.Duration) {
	if d.progress().whole {
		return d.collect(room), 0 // it came at once, and the time is not worth asking for
	}
	began := time.Now()
	return d.collect(room), time.Since(began)
}

// enqueueLocked lines a read up: at once if it is complete, else after the linger.
func (s *settler) enqueueLocked(d deliverable, p *delivery) {
	switch {
	case p.all && p.state != queued:
		p.state = queued
		s.queue = append(s.queue, d)
	case !p.all && p.state == idle:
		p.state = partial
		s.partial = append(s.partial, d)
	}
}

// signal makes a pending receive on c succeed, or the next one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *settler) help() {
	defer s.helping.Done()
	s.work()
	s.mu.Lock()
	s.helpers--
	s.mu.Unlock()
}

// loop delivers until stop is closed.
func (s *settler) loop(stop <-chan struct{}) {
	var linger <-chan time.Time
	for {
		select {
		case <-s.wake:
		case <-linger:
			linger = nil
			s.promote()
		case <-stop:
			s.promote()
			s.work()
			s.helping.Wait()
			return
		}
		s.work()
		if linger == nil && s.hasPartial() {
			linger = time.After(s.lingers())
		}
	}
}

// lingers gives how long outcomes are to wait this time.
func (s *settler) lingers() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := min(max(settleLinger, lingerShare*s.looked), maxLinger)
	s.looked = 0
	return d
}

func (s *settler) hasPartial() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.partial) > 0
}

// promote queues what has lingered.
func (s *settler) promote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.partial {
		if p := d.progress(); p.state == partial {
			p.state = queued
			s.queue = append(s.queue, d)
		}
	}
	clear(s.partial)
	s.partial = s.partial[:0]
}

// work delivers what is queued.
func (s *settler) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.mu.Unlock()
			return
		}
		last := len(s.queue) - 1
		d := s.queue[last]
		s.queue[last] = nil
		s.queue = s.queue[:last]
		p := d.progress()
		var room *outcomes
		if p.state == queued { // else delivered meanwhile, where that is done inline
			room = s.beginLocked(p)
		}
		s.mu.Unlock()
		if room != nil {
			s.deliver(d, room)
		}
	}
}

// beginLocked makes a read busy, and gives room for its outcomes.
func (s *settler) beginLocked(p *delivery) *outcomes {
	p.state, p.whole = busy, p.all
	last := len(s.spare) - 1
	if last < 0 {
		return &outcomes{}
	}
	o := s.spare[last]
	s.spare = s.spare[:last]
	return o
}

// deliver gives back what has settled of a read, and lets the read go when that was the last.
// While it is busy no one else touches the read.
func (s *settler) deliver(d deliverable, room *outcomes) {
	outcomes, looked := s.collect(d, room)
	var err error
	if len(outcomes) > 0 {
		err = d.settle(s.run.settleCtx, outcomes)
	}
	s.mu.Lock()
	s.countLocked(d, outcomes, err)
	s.spare = append(s.spare, room)
	s.looked += looked
	p := d.progress()
	all := p.all
	over := all && !p.again
	if over {
		s.removeLocked(p.place)
		s.forgetLocked()
		if !s.run.hard.Load() {
			d.recycle()
		}
	}
	awaited := s.awaited
	s.mu.Unlock()
	if awaited {
		signal(s.room)
	}
	if over {
		return
	}
	if !all {
		d.rearm()
	}
	s.mu.Lock()
	if p.state = idle; p.again {
		p.again = false
		s.enqueueLocked(d, p)
	}
	s.mu.Unlock()
	signal(s.wake)
}

// removeLocked drops the read at a place.
func (s *settler) removeLocked(place int) {
	last := len(s.reads) - 1
	moved := s.reads[last]
	s.reads[place], s.reads[last] = moved, nil
	moved.progress().place = place
	s.reads = s.reads[:last]
}

// forgetLocked lets the ledger forget what no open read can run into.
func (s *settler) forgetLocked() {
	if s.ledger == nil || !s.ledger.any() {
		return
	}
	oldest := uint64(open)
	for _, d := range s.reads {
		oldest = min(oldest, d.readNumber())
	}
	s.ledger.forget(oldest)
}

// countLocked adds up outcomes. One that is lost is never counted as done.
func (s *settler) countLocked(d deliverable, outcomes []stage.Outcome, err error) {
	s.inflight -= len(outcomes)
	s.pace.settled(len(outcomes), s.inflight > 0)
	for _, o := range outcomes {
		if s.pace.weighs {
			s.bytes -= d.weight(o.Index)
		}
		switch {
		case o.Err == nil:
			s.report.done++
		case errors.Is(o.Err, stage.ErrHandedBack):
			s.report.handedBack++
			s.failed = true
		default:
			s.report.failed++
			s.failed = true
			if s.report.first == nil {
				s.report.first, s.report.firstInfo = o.Err, d.info(o.Index)
			}
		}
	}
	if err != nil {
		s.countLostLocked(d.size(), outcomes, err)
	}
}

// countLostLocked counts what an error of Settle says is lost: what it names, else all of the call.
func (s *settler) countLostLocked(size int, outcomes []stage.Outcome, err error) {
	var named *stage.BatchError
	all := !errors.As(err, &named) || !names(named, size)
	lost := len(outcomes)
	if !all {
		lost = len(named.Failed)
	}
	for _, o := range outcomes {
		if o.Err == nil && (all || named.Failed[o.Index] != nil) {
			s.report.done--
		}
	}
	s.report.lost += lost
	s.failed = true
	s.stage.log.Warn("outcomes may be lost, the records may come again", "records", lost, "error", err)
}

// untilRoom waits until the pace allows for more in flight; false if ctx ends first.
func (s *settler) untilRoom(ctx context.Context) bool {
	return s.until(ctx, func() bool { return s.pace.room(s.inflight, s.bytes) })
}

// untilQuiet waits until every outcome has been delivered; false if ctx ends first.
func (s *settler) untilQuiet(ctx context.Context) bool {
	return s.until(ctx, func() bool { return s.inflight == 0 })
}

// until waits for cond, which is evaluated under the lock. One goroutine may wait at a time.
func (s *settler) until(ctx context.Context, cond func() bool) bool {
	for {
		s.mu.Lock()
		ok := cond()
		s.awaited = !ok
		s.mu.Unlock()
		if ok {
			return ctx.Err() == nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return false
		}
	}
}

// snapshot gives what was counted so far.
func (s *settler) snapshot() settleReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report
}

// takeFailed tells whether an outcome was a failure since it was last asked.
func (s *settler) takeFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := s.failed
	s.failed = false
	return failed
}

// abandon fails what is not settled of all reads, and returns how many records that was.
func (s *settler) abandon(err error) int {
	s.mu.Lock()
	reads := slices.Clone(s.reads)
	s.mu.Unlock()
	n := 0
	for _, d := range reads {
		n += d.abandon(err)
	}
	return n
}
