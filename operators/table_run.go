package operators

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// maxTabled is how many records may wait for the store.
const maxTabled = 1024

// tabler is a running join with a table. Process gathers records; a goroutine makes the changes among
// what has come since it last did, and then looks up the rows of the others.
type tabler[K comparable, L, V, O any] struct {
	tableJoining[K, L, V, O]
	rt      stage.Runtime
	next    stage.Emitter[O]
	disturb func(context.Context, any, stage.Info) error // nil but in tests
	seed    maphash.Seed
	lefts   atomic.Uint64
	idle    atomic.Int64 // records that wait for a row
	again   bool         // records come again
	slots   chan struct{}
	wake    chan struct{}

	mu      sync.Mutex
	come    []*tabled[L, V]
	asked   []chan struct{} // closed when nothing is here
	leaving bool            // what waits for a row is to be handed back
	closed  bool            // the goroutine has ended
	places  keptPlaces

	// These are the goroutine's.
	waiting []*tabled[L, V] // for a row, in the order in which they came
	lookAt  time.Time       // when all that waits is looked up
}

// tabled is a record on its way through the join.
type tabled[L, V any] struct {
	stage.Record[Either[L, V]]
	key  string // encoded
	slot bool   // it has one

	// Of a change:
	row     tableRow
	id      keptID // what it is known by
	known   bool   // it has an id
	place   keptPlace
	attempt int

	until time.Time // of a value: when it waits no more
}

// Start begins to keep the table.
func (j tableJoining[K, L, V, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[Either[L, V]], error) {
	if j.Table.Keys == nil {
		j.Table.Keys = state.Default[K]()
	}
	if j.Table.Values == nil {
		j.Table.Values = state.Default[V]()
	}
	up := rt.Upstream()
	switch longest := up.Redelivery + up.Redelivery/4; {
	case j.Table.Remember == 0:
		j.Table.Remember = max(DefaultRemember, 2*longest)
	case up.Redelivers && j.Table.Remember < longest:
		return nil, fmt.Errorf("operators: table join: changes are remembered for %v, but a record can come again after %v: remember them longer", j.Table.Remember, longest)
	}
	p := &tabler[K, L, V, O]{
		tableJoining: j, rt: rt, next: next, disturb: stage.Disturbance(rt), seed: maphash.MakeSeed(), again: up.Redelivers,
		slots: make(chan struct{}, maxTabled), wake: make(chan struct{}, 1),
	}
	stage.Gauge(rt, "waiting", p.idle.Load)
	rt.Go(p.run)
	return p, nil
}

// KeyOf has changes of one key made one at a time. Values of the stream wait for none.
func (p *tabler[K, L, V, O]) KeyOf(v Either[L, V]) uint64 {
	if v.IsRight {
		return maphash.Comparable(p.seed, p.RowKey(v.Right)) << 1
	}
	return p.lefts.Add(1)<<1 | 1
}

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is handed back.
func (p *tabler[K, L, V, O]) Process(ctx context.Context, r stage.Record[Either[L, V]]) error {
	v, err := p.arrive(r)
	if err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return stage.ErrHandedBack
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		if v.known {
			v.place = p.places.take(v.id, v.Sequence())
			v.id = v.id.numbered(v.place.number)
		}
		p.come = append(p.come, v)
	}
	p.mu.Unlock()
	if closed {
		<-p.slots
		return stage.ErrHandedBack
	}
	p.stir()
	return nil
}

// stir has the goroutine look at what has changed.
func (p *tabler[K, L, V, O]) stir() {
	select {
	case p.wake <- struct{}{}:
	default: // it is to wake up already
	}
}

// arrive works out what has to be known of a record, by the user's functions but f.
func (p *tabler[K, L, V, O]) arrive(r stage.Record[Either[L, V]]) (*tabled[L, V], error) {
	v := &tabled[L, V]{Record: r, slot: true}
	if !r.Value.IsRight {
		key, err := p.encodeKey(p.Key(r.Value.Left))
		v.key, v.until = key, p.rt.Now().Add(p.WaitFor)
		// What is begun later than that helps no one: its source delivers it again.
		if last := r.Expires(); !last.IsZero() && last.Before(v.until) {
			v.until = last
		}
		return v, err
	}
	key, err := p.encodeKey(p.RowKey(r.Value.Right))
	if err != nil {
		return nil, err
	}
	v.key = key
	return v, p.arriveChange(v)
}

func (p *tabler[K, L, V, O]) encodeKey(key K) (string, error) {
	b, err := p.Table.Keys.Append(nil, key)
	if err == nil && len(b) > state.MaxKey {
		err = fmt.Errorf("%d bytes: at most %d are possible", len(b), state.MaxKey)
	}
	if err != nil {
		return "", stage.Permanent(fmt.Errorf("operators: table %q: encode key %v: %w", p.Table.Name, key, err))
	}
	return string(b), nil
}

// run is the goroutine.
func (p *tabler[K, L, V, O]) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		p.mu.Lock()
		come, leaving := p.come, p.leaving
		p.come, p.closed = nil, ctx.Err() != nil
		closed := p.closed
		p.mu.Unlock()
		if closed {
			p.handBack(ctx, come)
		} else {
			p.turn(ctx, come)
		}
		if closed || leaving {
			p.handBack(ctx, p.waiting)
			p.waiting = nil
		}
		p.idle.Store(int64(len(p.waiting)))
		if p.answer() && closed {
			return
		}
		if timer.Stop(); len(p.waiting) > 0 {
			timer.Reset(p.rest())
		}
	}
}

// turn deals with what has come: with the changes first, so that a value finds those that came before it.
func (p *tabler[K, L, V, O]) turn(ctx context.Context, come []*tabled[L, V]) {
	var changes, asks []*tabled[L, V]
	for _, v := range come {
		switch err := p.disturbed(ctx, v); {
		case err != nil:
			p.over(ctx, v, err)
		case v.Value.IsRight:
			changes = append(changes, v)
		default:
			asks = append(asks, v)
		}
	}
	p.look(ctx, asks, p.change(ctx, changes))
}

// disturbed lets a test have a record fail.
func (p *tabler[K, L, V, O]) disturbed(ctx context.Context, v *tabled[L, V]) error {
	switch {
	case p.disturb == nil:
		return nil
	case v.Value.IsRight:
		return p.disturb(ctx, v.Value.Right, v.Info())
	}
	return p.disturb(ctx, v.Value.Left, v.Info())
}

// over returns a record.
func (p *tabler[K, L, V, O]) over(ctx context.Context, v *tabled[L, V], err error) {
	if v.known && err != nil {
		p.mu.Lock()
		p.places.giveBack(v.place)
		p.mu.Unlock()
	}
	p.release(v)
	stage.Complete(ctx, p.rt, v.Record, err)
}

func (p *tabler[K, L, V, O]) release(v *tabled[L, V]) {
	if v.slot {
		v.slot = false
		<-p.slots
	}
}

func (p *tabler[K, L, V, O]) handBack(ctx context.Context, all []*tabled[L, V]) {
	for _, v := range all {
		p.over(ctx, v, stage.ErrHandedBack)
	}
}

// answer tells who drains that nothing is here, if that is so.
func (p *tabler[K, L, V, O]) answer() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.come)+len(p.waiting) > 0 {
		return false
	}
	for _, asked := range p.asked {
		close(asked)
	}
	p.asked = nil
	return true
}

// Drain waits until nothing is here. What waits for a row is handed back when the run ends before its
// input, if it comes again.
func (p *tabler[K, L, V, O]) Drain(context.Context) error {
	leaves := p.again && !p.rt.Ended()
	asked := make(chan struct{})
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.asked = append(p.asked, asked)
		p.leaving = p.leaving || leaves
	}
	p.mu.Unlock()
	if closed {
		return nil
	}
	p.stir()
	<-asked
	return nil
}

var (
	_ stage.Processor[Either[int, string]] = (*tabler[int, int, string, int])(nil)
	_ stage.Keyer[Either[int, string]]     = (*tabler[int, int, string, int])(nil)
)
