package gostreams

import (
	"context"
	"sync"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// envelope is the claim of deliveries made of a record that the engine waits for: they are inside a
// flow under [Enveloped], or downstream of a [Flow]. But for fork, its methods work under the lock of
// Runtime.Do, one at a time.
type envelope[I any] struct {
	rt     stage.Runtime
	record stage.Record[I]
	open   *envelopes[I]
	in     *instance // that it went into; nil if none; written before it is added to open

	mu    sync.Mutex // guards what follows
	left  int        // deliveries that are not settled and have not come out
	split bool       // was forked, or came out: its failure is then no business of the policy
	lost  bool       // given up: what the flow still does with it counts for nothing
}

// fork is called from any goroutine. Rule 2: the duties are taken before any is given up.
func (e *envelope[I]) fork(more int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost || more < 1 {
		return
	}
	e.record.Retain(more)
	e.left += more
	e.split = true
}

// settle is called from any goroutine, but not within Do.
func (e *envelope[I]) settle(_ context.Context, err error) error {
	given := false
	e.rt.Do(func(ctx context.Context) { given = e.give(ctx, err) })
	if !given {
		return ErrSettled
	}
	return nil
}

// give settles one duty. The failure of a record that is still whole goes by the stage's policy.
func (e *envelope[I]) give(ctx context.Context, err error) bool {
	e.mu.Lock()
	if e.lost || e.left == 0 {
		e.mu.Unlock()
		return false
	}
	e.left--
	last, whole := e.left == 0, !e.split
	e.mu.Unlock()
	if err != nil && whole {
		e.complete(ctx, err)
		return true
	}
	if err == nil {
		e.record.Done()
	} else {
		e.record.Fail(err)
	}
	if last {
		e.complete(ctx, nil)
	}
	return true
}

// comeOut gives the duty of a delivery that came out, to be emitted with: its own when it comes out
// for the first time, and else a further one, as long as the record is not settled. It reports false
// if the delivery comes too late to be emitted at all.
func (e *envelope[I]) comeOut(again bool) (d stage.Duty, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost {
		return stage.Duty{}, false
	}
	e.split = true
	if again && !e.record.Retain(1) {
		return stage.Duty{}, true
	}
	return e.record.Duty, true
}

// emitted follows the emission of a delivery's own duty.
func (e *envelope[I]) emitted(ctx context.Context) {
	e.mu.Lock()
	e.left--
	last := e.left == 0
	e.mu.Unlock()
	if last {
		e.complete(ctx, nil)
	}
}

// lose gives the record up. Who calls it has forgotten the envelope, so it is called once.
func (e *envelope[I]) lose(ctx context.Context, err error) {
	e.mu.Lock()
	e.lost = true
	left, whole := e.left, !e.split
	e.mu.Unlock()
	if whole {
		stage.Complete(ctx, e.rt, e.record, err)
		return
	}
	for range left {
		e.record.Fail(err)
	}
	stage.Complete(ctx, e.rt, e.record, nil)
}

func (e *envelope[I]) complete(ctx context.Context, err error) {
	e.open.forget(e)
	stage.Complete(ctx, e.rt, e.record, err)
}

// envelopes is those of a stage that are not closed.
type envelopes[I any] struct {
	rt    stage.Runtime
	empty chan struct{} // signalled when the last one was closed

	mu   sync.Mutex // guards what follows
	open map[*envelope[I]]struct{}
}

func newEnvelopes[I any](rt stage.Runtime) *envelopes[I] {
	return &envelopes[I]{rt: rt, empty: make(chan struct{}, 1), open: make(map[*envelope[I]]struct{})}
}

// enclose makes the delivery of a record. Its envelope is open when it was added.
func (s *envelopes[I]) enclose(r stage.Record[I]) (*Delivery[I], *envelope[I]) {
	e := &envelope[I]{rt: s.rt, record: r, open: s, left: 1}
	return &Delivery[I]{Value: r.Value, Info: r.Info(), claim: e, expires: r.Expires()}, e
}

func (s *envelopes[I]) add(e *envelope[I]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[e] = struct{}{}
}

// forget closes e, and reports whether it was open.
func (s *envelopes[I]) forget(e *envelope[I]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.open[e]
	delete(s.open, e)
	if ok && len(s.open) == 0 {
		select {
		case s.empty <- struct{}{}:
		default: // who waits has not looked since the last time
		}
	}
	return ok
}

func (s *envelopes[I]) all() []*envelope[I] {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*envelope[I], 0, len(s.open))
	for e := range s.open {
		all = append(all, e)
	}
	return all
}

// lose gives up a record that is still open, within Do.
func (s *envelopes[I]) lose(ctx context.Context, e *envelope[I], err error) {
	if s.forget(e) {
		s.rt.Count("lost", 1)
		e.lose(ctx, err)
	}
}

// loseAll gives up what is open and went into an instance.
func (s *envelopes[I]) loseAll(in *instance, err error) {
	for _, e := range s.all() {
		if e.in == in {
			s.rt.Do(func(ctx context.Context) { s.lose(ctx, e, err) })
		}
	}
}

// outgoing is a delivery that came out, with the duty to emit it with.
type outgoing[I any] struct {
	duty stage.Duty
	own  *envelope[I] // to be told when it is emitted; nil if the duty is a further one, or none
}

// takeOut takes the duty of a delivery that came out; false if it is not to be emitted, since its
// record was given up and comes again.
func takeOut[I, T any](d *Delivery[T]) (o outgoing[I], ok bool) {
	e, is := d.claim.(*envelope[I])
	if !is {
		return o, true // made from one that had passed its duty on
	}
	again := d.gone.Swap(true)
	o.duty, ok = e.comeOut(again)
	if ok && !again {
		o.own = e
	}
	return o, ok
}
