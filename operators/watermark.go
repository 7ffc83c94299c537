package operators

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// instant is a time in nanoseconds since 1970. Times beyond what it can count stand at its ends.
type instant int64

const (
	never  instant = math.MinInt64 // before all times
	always instant = math.MaxInt64 // after all times
)

func instantOf(t time.Time) instant {
	switch s := t.Unix(); {
	case s <= math.MinInt64/int64(time.Second):
		return never
	case s >= math.MaxInt64/int64(time.Second):
		return always
	}
	return instant(t.UnixNano())
}

// counts tells whether it is a time. A value that stands at an end is older than all others, or younger.
func (i instant) counts() bool { return i != never && i != always }

// noEventTime is the failure of a value without an event time.
func noEventTime(operator string) error {
	return stage.Permanent(fmt.Errorf("operators: %s: %w", operator, ErrEventTime))
}

// ErrEventTime is the failure of a value whose event time is none: the zero time, as of a value that has no
// time, or one before 1678 or after 2261.
var ErrEventTime = errors.New("the value has no event time from 1678 to 2261: let the function of EventTime give one, or filter out values without")

func (i instant) time() time.Time { return time.Unix(0, int64(i)).UTC() }

// plus stays at the ends, where there is no way back either.
func (i instant) plus(d time.Duration) instant {
	switch sum := i + instant(d); {
	case i == never || i == always:
		return i
	case d > 0 && sum < i:
		return always
	case d < 0 && sum > i:
		return never
	default:
		return sum
	}
}

// watermark tells how far event time has come, by the records of one operator: no record is expected
// any more that is older. It is the least over the partitions of the latest event time in each, less
// the disorder that is allowed within one. It never goes back. A partition without records for a while
// does not count; while none has any, the watermark stays.
//
// What a record that waits for a retry is late by is not its fault: the watermark does not go on before
// the records that waited in stages above are here.
//
// It is called where the operator may emit.
type watermark struct {
	rt         stage.Runtime
	outOfOrder time.Duration
	idle       time.Duration             // 0: no partition is ever left out
	moved      func(ctx context.Context) // called when time alone has moved the watermark, or may have

	now   instant // the watermark
	high  instant // what it is to be as soon as no record waits
	parts []*partition
	named []map[string]*partition // of each stream
	last  []*partition            // of the last record
	first []*partition            // see await
	least *partition              // that high goes by

	putOff  []putOff // in order; each higher than the one before
	polling bool
	ticking bool
}

// partition is a part of the sources whose records come roughly in order.
type partition struct {
	name  string
	max   instant
	seen  bool // a record has come since the last tick
	quiet int  // ticks without a record
}

// putOff is where the watermark goes when what waited for a retry is here.
type putOff struct {
	to     instant
	passed func() bool
}

const (
	// quietTicks is how many ticks without a record make a partition idle.
	quietTicks = 2
	// pollEvery is how often it is looked whether records that waited for a retry are here.
	pollEvery = 50 * time.Millisecond
)

func newWatermark(rt stage.Runtime, outOfOrder, idle time.Duration, moved func(context.Context)) *watermark {
	return &watermark{
		rt: rt, outOfOrder: outOfOrder, idle: idle, moved: moved, now: never, high: never,
		named: []map[string]*partition{make(map[string]*partition)}, last: make([]*partition, 1), first: make([]*partition, 1),
	}
}

// see takes note of a record. It moves high, which costs little; advance then moves the watermark.
func (w *watermark) see(name string, at instant) { w.seeOf(0, name, at) }

// seeOf is see for an operator of several streams.
func (w *watermark) seeOf(stream int, name string, at instant) {
	p := w.last[stream]
	if p == nil || p.name != name {
		p = w.partition(stream, name)
	}
	p.seen = true
	if !w.ticking {
		w.tickSoon()
	}
	if at > p.max || p.quiet >= quietTicks {
		p.max, p.quiet = max(p.max, at), 0
		if p == w.least || w.least == nil || w.least.quiet >= quietTicks {
			w.rise()
		}
	}
}

// await makes it a watermark of n streams, which count from now on, before a record of them has come.
func (w *watermark) await(n int) {
	w.named, w.last, w.first = make([]map[string]*partition, n), make([]*partition, n), make([]*partition, n)
	for i := range n {
		w.named[i] = make(map[string]*partition)
		w.first[i] = &partition{max: never}
	}
	w.parts = slices.Clone(w.first)
	w.least = w.first[0]
	w.tickSoon()
}

// quiet tells whether no partition of a stream counts.
func (w *watermark) quiet(stream int) bool {
	if p := w.first[stream]; p != nil && p.quiet < quietTicks {
		return false
	}
	for _, p := range w.named[stream] {
		if p.quiet < quietTicks {
			return false
		}
	}
	return true
}

func (w *watermark) partition(stream int, name string) *partition {
	p, ok := w.named[stream][name]
	if !ok {
		if p = w.first[stream]; p == nil {
			p = &partition{max: never}
			w.parts = append(w.parts, p)
			w.least = p
		}
		w.first[stream], p.name, w.named[stream][name] = nil, name, p
	}
	w.last[stream] = p
	return p
}

// rise finds the partition that is behind the others, and moves high.
func (w *watermark) rise() {
	w.least = nil
	for _, p := range w.parts {
		if p.quiet < quietTicks && (w.least == nil || p.max < w.least.max) {
			w.least = p
		}
	}
	if w.least != nil {
		w.high = max(w.high, w.least.max.plus(-w.outOfOrder))
	}
}

// reach moves high to a time, whatever the records say.
func (w *watermark) reach(at instant) { w.high = max(w.high, at) }

// idling tells whether no partition has records.
func (w *watermark) idling() bool { return w.least == nil || w.idle > 0 && w.least.quiet >= quietTicks }

// advance moves the watermark as far as it may go, and gives it.
func (w *watermark) advance() instant {
	for len(w.putOff) > 0 && w.putOff[0].passed() {
		w.now = w.putOff[0].to
		w.putOff = w.putOff[1:]
	}
	last := w.now
	if n := len(w.putOff); n > 0 {
		last = w.putOff[n-1].to
	}
	if w.high <= last || w.polling {
		return w.now // while it is looked for retries, each look adds one step at most
	}
	passed := w.rt.Barrier()
	if passed == nil {
		w.now, w.putOff = w.high, nil
		return w.now
	}
	w.putOff = append(w.putOff, putOff{w.high, passed})
	w.poll()
	return w.now
}

// poll looks again soon, as long as something is put off.
func (w *watermark) poll() {
	w.polling = true
	w.rt.After(pollEvery, func(ctx context.Context) {
		w.polling = false
		w.advance()
		if len(w.putOff) > 0 && !w.polling {
			w.poll()
		}
		w.moved(ctx)
	})
}

// tick finds partitions that have become idle, as long as one has not.
func (w *watermark) tick(ctx context.Context) {
	w.ticking = false
	for _, p := range w.parts {
		if p.quiet++; p.seen {
			p.seen, p.quiet = false, 0
		}
		w.ticking = w.ticking || p.quiet < quietTicks
	}
	w.rise()
	if w.ticking {
		w.rt.After(w.idle/quietTicks, w.tick)
	}
	w.moved(ctx)
}

func (w *watermark) tickSoon() {
	if w.idle > 0 {
		w.ticking = true
		w.rt.After(w.idle/quietTicks, w.tick)
	}
}
