package randpipe

import (
	"context"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

type stream = flow.Stream[Item]

// kind is a kind of operator.
type kind struct {
	name    string
	fits    func(Options) bool // nil for all
	single  bool               // only where an input is at most one value
	many    bool               // makes more than one value of one
	ends    bool               // ends the run
	joint   bool               // joins duties
	once    bool               // lets a value pass that was not there before, or answers for it in a later result
	fansIn  bool               // takes another stream as well
	gathers bool               // gives a value again with others
	stores  bool               // answers for a value when a store has it
	joins   bool               // pairs values
	tables  bool               // looks values up in a table that others change

	draw  func(*artist, *op)                // its arguments; nil for none
	add   func(*op, stream) stream          // adds it; the stage that can fail gets the name of the op
	gives func(o *op, it Item) (all []Item) // plain evaluation
}

// op is an operator of a random pipeline.
type op struct {
	kind
	name   string
	env    Env
	salt   uint64
	share  uint64  // of a filter: percent kept
	n      int     // goroutines, values, or the burst
	keys   int     // of a batch by key, at once; of a join
	rate   float64 // of a throttle
	age    time.Duration
	bytes  bool          // batch by bytes too
	store  state.Store   // outlives processes
	window *windowing    // of windows
	pairs  *pairing      // of joins
	table  *tabling      // of joins with a table
	opens  int           // failures in a row, of a circuit breaker
	trials int           // likewise: calls while it is half open
	pause  time.Duration // likewise
	faults *Faults
}

// kinds lists the operators that are drawn.
func kinds() []kind {
	holds := func(o Options) bool { return !o.Keyed }
	ends := func(o Options) bool { return !o.Returns } // a branch that has ended hands back what another puts off, for ever
	kinds := []kind{
		{name: "Map", gives: mapped, add: func(o *op, s stream) stream {
			return s.Map(func(it Item) Item { o.faults.panics(it); return o.mapped(it) }).Named(o.name)
		}},
		{name: "TryMap", draw: slowAtTimes, gives: mapped, add: func(o *op, s stream) stream {
			return s.TryMap(o.tryMap).Named(o.name)
		}},
		{name: "Timeout", draw: slowAtTimes, gives: mapped, add: func(o *op, s stream) stream {
			return s.TryMap(operators.Timeout(5*time.Millisecond, o.tryMap)).Named(o.name) // late is as good
		}},
		{name: "Hedge", draw: slowAtTimes, gives: mapped, add: func(o *op, s stream) stream {
			return s.TryMap(operators.Hedge(3*time.Millisecond, o.tryMap)).Named(o.name)
		}},
		{name: "Filter", gives: kept, add: func(o *op, s stream) stream {
			return s.Filter(func(it Item) bool { o.faults.panics(it); return o.keeps(it) }).Named(o.name)
		}},
		{name: "TryFilter", draw: slowAtTimes, gives: kept, add: func(o *op, s stream) stream {
			return s.TryFilter(func(ctx context.Context, it Item) (bool, error) {
				return o.keeps(it), o.faults.try(ctx, it)
			}).Named(o.name)
		}},
		{name: "FlatMap", many: true, gives: (*op).children, add: func(o *op, s stream) stream {
			return s.FlatMap(func(it Item) []Item { o.faults.panics(it); return o.children(it) }).Named(o.name)
		}},
		{name: "TryFlatMap", many: true, gives: (*op).children, add: func(o *op, s stream) stream {
			return s.TryFlatMap(func(ctx context.Context, it Item) ([]Item, error) {
				return o.children(it), o.faults.try(ctx, it)
			}).Named(o.name)
		}},
		{name: "Flatten", many: true, gives: (*op).children, add: func(o *op, s stream) stream {
			return flow.Flatten(s.Map(func(it Item) []Item { o.faults.panics(it); return o.children(it) }).Named(o.name))
		}},
		{name: "Tap", gives: same, add: func(o *op, s stream) stream { return s.Tap(o.faults.panics).Named(o.name) }},
		{name: "TryTap", draw: slowAtTimes, gives: same, add: func(o *op, s stream) stream {
			return s.TryTap(func(ctx context.Context, it Item) error { return o.faults.try(ctx, it) }).Named(o.name)
		}},
		{name: "ParMap", draw: parallel, gives: mapped, add: func(o *op, s stream) stream {
			return s.ParMap(o.n, o.tryMap).Named(o.name)
		}},
		{name: "ParMapUnordered", draw: parallel, gives: mapped, add: func(o *op, s stream) stream {
			return s.ParMapUnordered(o.n, o.tryMap).Named(o.name)
		}},
		{name: "ParMapKeyed", draw: parallel, gives: mapped, add: func(o *op, s stream) stream {
			return s.KeyBy(func(it Item) uint64 { return it.ID % 3 }).ParMap(o.n, o.tryMap).Named(o.name)
		}},
		{name: "Async", gives: mapped, draw: func(a *artist, o *op) {
			o.n, o.bytes = 1+a.IntN(40), a.Chance(30)
		}, add: func(o *op, s stream) stream {
			limit := 0
			if o.bytes {
				limit = 300
			}
			return s.AsyncBy(o.n, limit, func(it Item) int { return int(it.ID % 256) }).
				Map(func(it Item) Item { o.faults.panics(it); return o.mapped(it) }).Named(o.name)
		}},
		{name: "Batch", fits: holds, joint: true, gives: mapped, draw: func(a *artist, o *op) {
			o.n, o.bytes, o.age = 1+a.IntN(6), a.Chance(30), a.age()
		}, add: func(o *op, s stream) stream {
			limits := operators.Limits[Item]{Count: o.n, Age: o.age}
			if o.bytes {
				limits.Bytes, limits.Size = 300, func(it Item) int { return int(it.ID % 256) }
			}
			return o.takeApart(s.Via(operators.BatchBy[Item, []Item](limits)))
		}},
		{name: "BatchKeyed", fits: holds, joint: true, gives: mapped, draw: func(a *artist, o *op) {
			o.n, o.keys, o.age = 1+a.IntN(4), 1+a.IntN(4), a.age()
		}, add: func(o *op, s stream) stream {
			key := func(it Item) uint64 { return it.ID % 5 }
			return o.takeApart(s.Via(operators.BatchKeyed[uint64, Item, []Item](key, o.n, o.age, o.keys)))
		}},
		{name: "Reduce", fits: func(o Options) bool { return holds(o) && !o.Leased && !o.Endless }, joint: true, gives: mapped,
			add: func(o *op, s stream) stream {
				return o.takeApart(s.Reduce(func() []Item { return nil }, func(all []Item, it Item) []Item { return append(all, it) }))
			}},
		{name: "Scan", gives: mapped, add: (*op).scan},
		{name: "Dedupe", joint: true, once: true, gives: same, draw: func(_ *artist, o *op) { o.store = state.NewMemory() },
			add: func(o *op, s stream) stream {
				return s.Dedupe(func(it Item) string { return strconv.FormatUint(it.ID, 16) }, o.store, o.name, 0).Named(o.name)
			}},
		{name: "Throttle", gives: mapped, draw: func(a *artist, o *op) {
			o.n, o.rate = 1+a.IntN(4), 10+200*a.Float64()
		}, add: func(o *op, s stream) stream {
			return s.Throttle(o.rate, o.n).Map(func(it Item) Item { o.faults.panics(it); return o.mapped(it) }).Named(o.name)
		}},
		{name: "Debounce", fits: holds, gives: same, draw: briefly, add: func(o *op, s stream) stream {
			return o.latest(s, o.age, stream.Debounce)
		}},
		{name: "Sample", fits: holds, gives: same, draw: briefly, add: func(o *op, s stream) stream {
			return o.latest(s, 0, func(s stream, _ time.Duration) stream { return s.Sample(o.age) })
		}},
		{name: "Skip", gives: same, draw: func(a *artist, o *op) { o.n = a.IntN(8) }, add: (*op).skip},
		// One that has a value more than once in each run would hand it back for ever.
		{name: "Take", fits: ends, single: true, ends: true, gives: same, draw: func(a *artist, o *op) { o.n = 3 + a.IntN(20) }, add: (*op).take},
		{name: "TakeWhile", fits: ends, ends: true, gives: same, add: func(o *op, s stream) stream {
			return s.TakeWhile(func(it Item) bool { return Mix(o.salt, it.ID)%100 >= 3 || !o.faults.first(it.ID) }).Named(o.name)
		}},
		breakerKind(),
		zipKind(),
		joinKind(),
		tableKind(),
	}
	return append(append(kinds, windowKinds()...), keptKinds()...)
}

// Arguments.

func slowAtTimes(a *artist, o *op) {
	if a.Chance(20) {
		o.faults.slow = a.Between(time.Microsecond, 10*time.Millisecond)
	}
	if a.opts.Stalls && a.Chance(15) {
		o.faults.stalls = 3
	}
}

func parallel(a *artist, o *op) {
	o.n, o.faults.slow = 1+a.IntN(5), a.Between(time.Millisecond, 100*time.Millisecond)
}

func briefly(a *artist, o *op) { o.age = a.Between(time.Microsecond, 500*time.Millisecond) }

// What operators do with a value depends on nothing but its ID.

func (o *op) mapped(it Item) Item {
	it.ID = Mix(it.ID, o.salt)
	return it
}

// tryMap gives nothing of use with an error.
func (o *op) tryMap(ctx context.Context, it Item) (Item, error) {
	if err := o.faults.try(ctx, it); err != nil {
		return Item{}, err
	}
	return o.mapped(it), nil
}

func (o *op) keeps(it Item) bool { return Mix(it.ID, o.salt)%100 < o.share }

func (o *op) children(it Item) []Item {
	all := make([]Item, Mix(it.ID, o.salt)%(maxChildren+1))
	for i := range all {
		all[i] = it
		all[i].ID = Mix(it.ID, o.salt, uint64(i))
	}
	return all
}

// takeApart lets a fallible function see what was gathered, and makes values of it again.
func (o *op) takeApart(s flow.Stream[[]Item]) stream {
	s = s.TryMap(func(ctx context.Context, items []Item) ([]Item, error) {
		return items, o.faults.try(ctx, items...)
	}).Named(o.name)
	return flow.Flatten(s.Map(func(items []Item) []Item {
		all := make([]Item, len(items))
		for i, it := range items {
			all[i] = o.mapped(it)
		}
		return all
	}))
}

func same(_ *op, it Item) []Item   { return []Item{it} }
func mapped(o *op, it Item) []Item { return []Item{o.mapped(it)} }

func kept(o *op, it Item) []Item {
	if !o.keeps(it) {
		return nil
	}
	return []Item{it}
}
