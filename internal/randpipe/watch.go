package randpipe

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// watch is an operator that passes values on, and tells of them, of the begin of each run, and of drains.
type watch struct {
	begin func()
	enter func(Item)
	drain func()
}

var _ stage.Operator[Item, Item] = watch{}

// Describe gives the description of what fails at nothing and holds nothing.
func (w watch) Describe() stage.Description { return stage.Description{Name: "watch"} }

// Start begins a run.
func (w watch) Start(_ stage.Runtime, next stage.Emitter[Item]) (stage.Processor[Item], error) {
	w.begin()
	return watcher{w, next}, nil
}

type watcher struct {
	watch
	next stage.Emitter[Item]
}

// Process tells of a value.
func (w watcher) Process(ctx context.Context, r stage.Record[Item]) error {
	if w.enter != nil {
		w.enter(r.Value)
	}
	w.next.Emit(ctx, r)
	return nil
}

// Drain tells that what is below is to emit what it holds.
func (w watcher) Drain(context.Context) error {
	if w.drain != nil {
		w.drain()
	}
	return nil
}

// skip is Skip, held to dropping the first of a run and no others.
func (o *op) skip(s stream) stream {
	entered, left := 0, 0
	return s.Via(watch{
		begin: func() { entered, left = 0, 0 },
		enter: func(it Item) {
			if entered++; entered <= o.n {
				o.env.Dropped(it.At(o.name))
			}
		},
	}).Skip(o.n).Named(o.name).Map(func(it Item) Item {
		if left++; left > entered-o.n {
			o.env.Wrong("%s lets %v through, which is among the first %d", o.name, it, o.n)
		}
		return it
	})
}

// take is Take, held to its number.
func (o *op) take(s stream) stream {
	left := 0
	return s.Via(watch{begin: func() { left = 0 }}).Take(o.n).Named(o.name).Map(func(it Item) Item {
		if left++; left > o.n {
			o.env.Wrong("%s lets %v through, which is value %d of %d", o.name, it, left, o.n)
		}
		return it
	})
}

// latest is an operator that drops a value when another has followed it, and no other. Quiet is how long
// it waits for that, unless it drains.
func (o *op) latest(s stream, quiet time.Duration, through func(stream, time.Duration) stream) stream {
	var held *Item
	var since time.Time
	drains := false
	return through(s.Via(watch{
		begin: func() { held, drains = nil, false },
		enter: func(it Item) {
			if held != nil {
				o.env.Dropped(held.At(o.name))
			}
			held, since, drains = &it, time.Now(), false
		},
		drain: func() { drains = true },
	}), quiet).Named(o.name).Map(func(it Item) Item {
		if held == nil || *held != it {
			o.env.Wrong("%s emits %v, which another has followed, or which it has emitted before", o.name, it)
		} else if d := time.Since(since); d < quiet && !drains {
			o.env.Wrong("%s emits %v after %v instead of %v", o.name, it, d, quiet)
		}
		held = nil
		return it
	})
}

// scan is Scan of how many values there were, held to that.
func (o *op) scan(s stream) stream {
	gathered, left := 0, 0
	return s.Scan(func() numbered {
		gathered, left = 0, 0
		return numbered{}
	}, func(last numbered, it Item) numbered {
		o.faults.panics(it)
		if last.n != gathered {
			o.env.Wrong("%s goes on from %d values, but has gathered %d", o.name, last.n, gathered)
		}
		gathered++
		return numbered{o.mapped(it), last.n + 1}
	}).Named(o.name).Map(func(v numbered) Item {
		if v.n <= left { // one may be handed back on the way, with others of its key
			o.env.Wrong("%s emits what it has gathered of %d values behind that of %d", o.name, v.n, left)
		}
		left = v.n
		return v.Item
	})
}
