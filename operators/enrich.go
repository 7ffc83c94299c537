package operators

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Enrich joins each value with a row of a table, which is loaded as a whole and loaded anew while the
// pipeline runs: reference data, such as the names of airports.
//
//	table     {a:1}      {a:2, b:3}
//	          |-- every --|-- every --|
//	in     ------a---b-------a---b----|
//	out    ------a1--b?------a2--b3---|
//
// Load gives the table by key. It is called before the first record, then each time that every has
// passed; 0 means once. Key tells the key of a value, and join makes of the value and its row, if there is
// one, what is emitted. The table must not be changed once load has returned it.
//
// What it promises:
//   - Emits: one value for each.
//   - Order: kept.
//   - Holds: nothing.
//   - Settles: moves the duty to the result (rule 2).
//   - Drain: has nothing to emit.
//   - Fails: by a panic of key or join. When the first load fails, the run does, before anything is read. A
//     later load that fails is logged and counted, and tried again after a second, then twice as long
//     each time, at most every; until one succeeds the old table stays. Fails to build, if every is
//     negative.
//
// Snapshot shows the table's "table_rows" and "table_age_ms", the time since it began to be loaded, as
// gauges; it counts "table_loads" and "table_failures".
//
// Each stage and each run has its table. Where there is too much for a table, or each answer counts, look
// values up in [ParMap], with a function that [Cached] remembers the answers of.
func Enrich[I any, K comparable, V, O any](every time.Duration, load func(context.Context) (map[K]V, error), key func(I) K, join func(v I, row V, found bool) O) stage.Operator[I, O] {
	return enriching[I, K, V, O]{every, load, key, join}
}

type enriching[I any, K comparable, V, O any] struct {
	every time.Duration
	load  func(context.Context) (map[K]V, error)
	key   func(I) K
	join  func(v I, row V, found bool) O
}

var _ stage.Operator[int, string] = enriching[int, int, int, string]{}

func (e enriching[I, K, V, O]) Describe() stage.Description {
	problem := missing(e.load == nil || e.key == nil || e.join == nil, "enrich")
	if e.every < 0 {
		problem = fmt.Errorf("operators: enrich: every %v: the time may not be negative", e.every)
	}
	return stage.Description{Name: "enrich", Problem: problem}
}

func (e enriching[I, K, V, O]) Start(rt stage.Runtime, next stage.Emitter[O]) (stage.Processor[I], error) {
	p := &enricher[I, K, V, O]{enriching: e, rt: rt, next: next}
	stage.Gauge(rt, "table_rows", func() int64 { return int64(len(p.current().rows)) })
	stage.Gauge(rt, "table_age_ms", func() int64 { return p.current().age(rt.Now()).Milliseconds() })
	return p, nil
}

// table is what one load gave.
type table[K comparable, V any] struct {
	rows  map[K]V
	since time.Time // when it began to be loaded
}

func (t *table[K, V]) age(now time.Time) time.Duration {
	if t.since.IsZero() {
		return 0
	}
	return now.Sub(t.since)
}

type enricher[I any, K comparable, V, O any] struct {
	stateless
	enriching[I, K, V, O]
	rt    stage.Runtime
	next  stage.Emitter[O]
	table atomic.Pointer[table[K, V]]
}

var (
	_ stage.Preparer             = (*enricher[int, int, int, string])(nil)
	_ stage.Chunker[int, string] = (*enricher[int, int, int, string])(nil)
)

// Prepare loads the table, and sees to it that it is loaded anew.
func (e *enricher[I, K, V, O]) Prepare(ctx context.Context) error {
	if err := e.refresh(ctx); err != nil {
		return fmt.Errorf("operators: load the table: %w", err)
	}
	if e.every > 0 {
		e.rt.Go(e.keepFresh)
	}
	return nil
}

// refreshPause is how long a failed load waits at first for the next.
const refreshPause = time.Second

func (e *enricher[I, K, V, O]) keepFresh(ctx context.Context) {
	wait, failing := e.every, refreshPause
	for pause(ctx, wait) {
		err := e.refresh(ctx)
		switch {
		case err == nil:
			wait, failing = e.every, refreshPause
		case ctx.Err() != nil:
			return
		default:
			wait = min(failing, e.every)
			failing = 2 * wait
			e.rt.Count("table_failures", 1)
			e.rt.Logger().WarnContext(ctx, "the table was not loaded anew, and the old one stays",
				"age", e.current().age(e.rt.Now()), "again_in", wait, "error", err)
		}
	}
}

func (e *enricher[I, K, V, O]) refresh(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &stage.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	since := e.rt.Now()
	rows, err := e.load(ctx)
	if err == nil && rows == nil {
		err = errors.New("there is none: the function gave neither a table nor an error")
	}
	if err != nil {
		return err
	}
	e.table.Store(&table[K, V]{rows, since})
	e.rt.Count("table_loads", 1)
	return nil
}

// current gives the table; an empty one before the first load.
func (e *enricher[I, K, V, O]) current() *table[K, V] {
	if t := e.table.Load(); t != nil {
		return t
	}
	return &table[K, V]{}
}

func (e *enricher[I, K, V, O]) enrich(rows map[K]V, v I) O {
	row, found := rows[e.key(v)]
	return e.join(v, row, found)
}

func (e *enricher[I, K, V, O]) Process(ctx context.Context, r stage.Record[I]) error {
	e.next.Emit(ctx, r.With(e.enrich(e.current().rows, r.Value)))
	return nil
}

func (e *enricher[I, K, V, O]) ProcessChunk(_ context.Context, c *stage.Chunk[I, O]) error {
	rows := e.current().rows
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		c.Out = append(c.Out, c.In[i].With(e.enrich(rows, c.In[i].Value)))
	}
	return nil
}
