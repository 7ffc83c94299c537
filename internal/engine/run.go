package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// closeTimeout bounds what follows the drain: the delivery of the last outcomes, and closing.
const closeTimeout = 30 * time.Second

// Run is one execution of a plan.
type Run struct {
	cfg      Config
	parts    []part // downstream first
	sources  []reading
	segments []*Segment
	buriers  map[*DeadLetterSink]burier

	userCtx   context.Context // what users' functions get; ended by a hard stop alone
	endUser   context.CancelCauseFunc
	readCtx   context.Context // what readers get; ended by a drain
	endReads  context.CancelFunc
	settleCtx context.Context // what Settle gets; ended when the run gives up waiting
	endSettle context.CancelFunc

	hard     atomic.Bool   // nothing is begun any more; what is not settled is handed back
	hardDone chan struct{} // closed when hard is set
	timers
	goes     sync.WaitGroup // goroutines of operators
	settlers sync.WaitGroup
	ended    chan struct{} // closed when the settlers may end

	mu       sync.Mutex
	stopErr  error // what ended the run before its sources did
	draining bool
	enders   []*Stage    // operators that ended the run
	cut      *DrainError // set when the drain was cut short
	dropped  []error     // of reclaim

	tide tide
}

// reading is a source as the run handles it.
type reading interface {
	part
	loop(ctx context.Context)
	declared() stage.SourceTraits
	foresee(held int, mayWait bool)
	sourceStats() SourceStats
	unpace()
	settlement() *settler
	atEnd() bool
	ending() error
}

func newRun(cfg Config) *Run {
	return &Run{
		cfg: cfg, buriers: make(map[*DeadLetterSink]burier),
		hardDone: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Do runs the plan until its sources have no more, ctx ends, or an operator or a failure ends it. A second
// context, if not nil, cuts the drain short when it ends.
func (r *Run) Do(ctx, cut context.Context) error {
	detached := context.WithoutCancel(ctx)
	r.userCtx, r.endUser = context.WithCancelCause(detached)
	r.settleCtx, r.endSettle = context.WithCancel(detached)
	r.readCtx, r.endReads = context.WithCancel(ctx)
	defer r.endUser(nil)
	defer r.endSettle()
	defer r.endReads()

	if err := r.open(ctx); err != nil {
		r.stopAll() // of operators that were started
		r.endUser(nil)
		r.goes.Wait()
		return errors.Join(err, r.closeAll())
	}
	watched := r.watch(cut)
	r.flow()
	if ctx.Err() != nil { // a run may be over before who watches the context has seen its end
		r.mu.Lock()
		r.draining = true
		r.mu.Unlock()
	}
	err := r.finish()
	close(r.ended)
	r.settlers.Wait()
	<-watched
	return err
}

// open opens sinks, then sources, then starts the operators between them.
func (r *Run) open(ctx context.Context) error {
	for _, seg := range r.segments {
		seg.ctx, seg.stop = r.userCtx, r.stop
	}
	start := func(kind Kind) error {
		for _, p := range r.parts {
			if st := p.base(); st.Kind == kind {
				if err := p.start(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, kind := range []Kind{KindSink, KindSource} {
		if err := start(kind); err != nil {
			return err
		}
	}
	if err := r.check(); err != nil {
		return err
	}
	for _, s := range r.sources {
		r.tell(s)
	}
	return start(KindOperator)
}

// watch begins the drain when the context of the run ends, and cuts it short when it must be.
func (r *Run) watch(cut context.Context) (done <-chan struct{}) {
	var cutDone <-chan struct{}
	if cut != nil {
		cutDone = cut.Done()
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-r.readCtx.Done():
		case <-r.ended:
			return
		}
		r.mu.Lock()
		r.draining = true
		r.mu.Unlock()
		r.tide.turn()
		deadline := time.NewTimer(r.cfg.DrainTimeout)
		defer deadline.Stop()
		select {
		case <-deadline.C:
			r.stopHard(&DrainError{Deadline: r.cfg.DrainTimeout})
		case <-cutDone:
			r.stopHard(&DrainError{})
		case <-r.ended:
		}
	}()
	return finished
}

// stop ends reading because of a failure; what is in flight is finished.
func (r *Run) stop(err error) {
	r.mu.Lock()
	if r.stopErr == nil {
		r.stopErr = err
	}
	r.mu.Unlock()
	r.endReads()
}

// end ends reading because a stage has no need for more. It is a drain from now on, before its clock
// is set: the verdict may come sooner.
func (r *Run) end(by *Stage) {
	r.mu.Lock()
	r.draining = true
	r.enders = append(r.enders, by)
	r.mu.Unlock()
	r.endReads()
}

// stopHard ends everything: waits are over, nothing is begun, and what is not settled is handed
// back to its source.
func (r *Run) stopHard(why *DrainError) {
	r.mu.Lock()
	r.cut = why
	r.mu.Unlock()
	r.hard.Store(true)
	close(r.hardDone)
	r.endUser(why)
	for _, p := range r.parts {
		p.base().detour.Store(true)
		if s, ok := p.(interface{ unblock() }); ok {
			s.unblock()
		}
	}
	r.rush()
	r.cfg.Probe.blame(stage.ErrHandedBack)
	for _, s := range r.sources {
		s.settlement().abandon(stage.ErrHandedBack)
	}
}

// tooLate tells whether work on the record may not begin any more at a time, for its lease.
func (r *Run) tooLate(d stage.Duty, at time.Time) bool {
	last := d.Expires()
	return !last.IsZero() && at.After(last)
}

// flow reads until all sources have ended. Each time none of them has more to read, the stages
// emit what they hold; that may settle records as failed, which a source then reads again.
func (r *Run) flow() {
	r.tide.open(len(r.sources))
	var loops sync.WaitGroup
	for _, s := range r.sources {
		r.settlers.Add(1)
		go func() {
			defer r.settlers.Done()
			s.settlement().loop(r.ended)
		}()
		loops.Add(1)
		go func() {
			defer loops.Done()
			defer r.tide.ebb(true)
			s.loop(r.readCtx)
			if s.ending() != nil {
				r.stop(s.ending())
			}
		}()
	}
	for {
		floods, ok := r.tide.awaitLow()
		if !ok {
			break
		}
		r.drain()
		r.tide.whileLow(floods, r.reclaim)
	}
	loops.Wait()
	for r.drain(); r.unfinished(); {
		r.drain()
	}
	r.reclaim()
}

// unfinished tells whether an operator has something to give again, for which no record stands. Where a
// stage below has had enough, it would be handed back for ever.
func (r *Run) unfinished() bool {
	return slices.ContainsFunc(r.parts, func(p part) bool {
		u, ok := p.(interface{ unfinished() bool })
		return ok && u.unfinished() && !r.endedBelow(p.base())
	})
}

// reclaim hands back what is not settled although no stage has it: an operator dropped it. It is
// called when nothing is in flight. The run ends then: a source that redelivers would give the
// operator the same records for ever.
func (r *Run) reclaim() {
	if r.hard.Load() {
		return
	}
	stages := r.cfg.Probe.blame(ErrLost)
	for _, s := range r.sources {
		n := s.settlement().abandon(stage.ErrHandedBack)
		if n == 0 {
			continue
		}
		r.mu.Lock()
		name := s.base().Name
		r.dropped = append(r.dropped, &DroppedError{Source: name, Count: n, Stages: stages[name]})
		r.mu.Unlock()
		r.endReads()
	}
}

// awaitMore is called by a source that has no more. It reports true when the source is to read
// again, because a record of it failed.
func (r *Run) awaitMore(s reading) bool {
	if !s.declared().Redelivers {
		return false
	}
	r.tide.ebb(false)
	if !s.settlement().untilQuiet(r.readCtx) || !s.settlement().takeFailed() {
		r.tide.flood()
		return false
	}
	r.tide.flood()
	return true
}

// drain has each stage emit what it holds, upstream first. What was settled by that, operators may
// have taken back: they are waited for, downstream first, as those further up may take back what
// they settle.
func (r *Run) drain() {
	for i := len(r.parts) - 1; i >= 0; i-- {
		p := r.parts[i]
		if err := p.drain(r.userCtx); err != nil {
			r.stop(fmt.Errorf("flow: drain stage %q: %w", p.base().Name, err))
		}
	}
	for _, p := range r.parts {
		if idle := p.base().untilIdle(); idle != nil && p.base().Desc.Async {
			<-idle
		}
	}
}

// finish delivers the last outcomes, closes what was opened, and says what went wrong.
func (r *Run) finish() error {
	giveUp := time.AfterFunc(closeTimeout, r.endSettle)
	defer giveUp.Stop()
	for _, s := range r.sources {
		s.settlement().untilQuiet(r.settleCtx)
	}
	r.stopAll()
	r.endUser(nil)
	r.goes.Wait()
	closeErr := r.closeAll()
	return errors.Join(r.verdict(), closeErr)
}

func (r *Run) closeAll() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.readCtx), closeTimeout)
	defer cancel()
	var errs []error
	for i := len(r.parts) - 1; i >= 0; i-- {
		errs = append(errs, r.parts[i].close(ctx))
	}
	return errors.Join(errs...)
}

// unredeemed counts the records that a source will not deliver again although they were not done,
// unless the run was ended on purpose.
func (r *Run) unredeemed(s reading, report settleReport) int {
	switch {
	case s.declared().Redelivers || r.stopErr != nil:
		return 0
	case r.draining:
		return report.failed
	}
	return report.failed + report.handedBack
}

// verdict is what went wrong, apart from closing.
func (r *Run) verdict() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := append([]error{r.stopErr}, r.dropped...)
	handedBack := 0
	for _, s := range r.sources {
		report := s.settlement().snapshot()
		handedBack += report.handedBack
		if n := r.unredeemed(s, report); n > 0 {
			if report.first == nil {
				report.first = stage.ErrHandedBack
			}
			errs = append(errs, &FailedError{
				Source: s.base().Name, Count: n, First: report.first, Info: report.firstInfo,
			})
		}
	}
	if r.cut != nil {
		r.cut.HandedBack = handedBack
		errs = append(errs, r.cut)
	}
	return errors.Join(errs...)
}
