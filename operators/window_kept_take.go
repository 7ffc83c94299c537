package operators

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Process waits for a slot; that is the backpressure. When ctx ends meanwhile, the record is handed back.
func (p *keeper[K, T, A, O]) Process(ctx context.Context, r stage.Record[T]) error {
	v, partition, err := p.value(r)
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
		p.take(v, partition)
	}
	p.mu.Unlock()
	if closed {
		<-p.slots
		return stage.ErrHandedBack
	}
	return nil
}

// value works out what has to be known of a record.
func (p *keeper[K, T, A, O]) value(r stage.Record[T]) (v *keptValue[K, T], partition string, err error) {
	v = &keptValue[K, T]{Record: r, key: p.Key(r.Value), info: r.Info()}
	encoded, err := p.kept.Keys.Append(nil, v.key)
	if err == nil && len(encoded) > maxKept {
		err = fmt.Errorf("%d bytes: at most %d are possible", len(encoded), maxKept)
	}
	if err != nil {
		return nil, "", stage.Permanent(fmt.Errorf("operators: window: encode key %v: %w", v.key, err))
	}
	v.encoded = string(encoded)
	switch {
	case !p.Clock.event:
		v.at = instantOf(p.rt.Now())
	case p.Clock.at != nil:
		v.at = instantOf(p.Clock.at(r.Value))
	default:
		v.at = instantOf(v.info.EventTime)
	}
	if p.mark != nil && !v.at.counts() {
		return nil, "", noEventTime("window")
	}
	if p.knows {
		source := v.info.Source
		v.name, v.known = v.info.ID, v.info.ID != ""
		at := v.at
		if !p.Clock.event || p.Identify != nil {
			at = 0
		}
		if p.Identify != nil {
			source, v.name, v.known = "", p.Identify(r.Value), true
		}
		if v.known {
			v.id = idOf(v.encoded, source, v.name, at)
		}
	}
	if partition = p.part; partition == "" {
		partition = v.info.Partition
	}
	return v, partition, nil
}

// take adds a value to those to be committed. The lock is held.
func (p *keeper[K, T, A, O]) take(v *keptValue[K, T], partition string) {
	if v.known && p.Identify == nil {
		v.place = p.places.take(v.id, v.Sequence())
		v.id = v.id.numbered(v.place.number)
		if v.place.number > 0 {
			v.name = fmt.Sprintf("%s/%d", v.name, v.place.number)
		}
	}
	if _, excused := p.excused[v.Sequence()]; excused && p.past.grace > 0 {
		v.info.Attempt = max(v.info.Attempt, 2)
	}
	p.come = append(p.come, v)
	if p.mark != nil && v.info.Attempt <= 1 { // another attempt comes out of order, and from elsewhere
		p.mark.see(partition, v.at)
	}
	p.stirred()
}

// stirred has the goroutine look at what has come, the first time since it did and when it is enough for a
// commit. The lock is held.
func (p *keeper[K, T, A, O]) stirred() {
	if !p.stirs || len(p.come)+len(p.over) == p.many {
		p.stirs = true
		p.stir()
	}
}

// stir has the goroutine look at what has changed.
func (p *keeper[K, T, A, O]) stir() {
	select {
	case p.wake <- struct{}{}:
	default: // it is to wake up already
	}
}

// guarded is a Runtime whose timers hold a lock.
type guarded struct {
	stage.Runtime
	mu *sync.Mutex
}

// After runs f under the lock.
func (g guarded) After(d time.Duration, f func(ctx context.Context)) (stop func() bool) {
	return g.Runtime.After(d, func(ctx context.Context) {
		g.mu.Lock()
		defer g.mu.Unlock()
		f(ctx)
	})
}
