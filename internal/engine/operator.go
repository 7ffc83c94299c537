package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// operator is an operator with its guard. Where the operator can, it works on chunks: the calls
// between stages, the counting and the recover of panics then cost a chunk and not a record.
type operator[I, O any] struct {
	*guard[I]
	op  stage.Operator[I, O]
	out Outlet[O]

	chunker stage.Chunker[I, O] // nil if the operator takes records one by one
	chunk   stage.Chunk[I, O]
	limit   int // records of the next chunk, if the stage may be slow
}

var (
	_ stage.Emitter[int] = (*operator[int, string])(nil)
	_ part               = (*operator[int, string])(nil)
)

func (o *operator[I, O]) base() *Stage { return o.Stage }

func (o *operator[I, O]) start(ctx context.Context) error {
	o.down = o.out.seg.root()
	o.gate.delay, o.turns.gate.delay = o.delayed, o.delayed
	rt := &runtime[I]{g: o.guard, disturb: o.run.cfg.Probe.disturbance(o.Name)}
	o.ctx = stage.WithScope(o.run.userCtx, o.Stage)
	err := o.safely(func() (err error) {
		if o.proc, err = o.op.Start(rt, o.out.next); err != nil {
			return err
		}
		if p, ok := o.proc.(stage.Preparer); ok {
			err = p.Prepare(stage.WithScope(ctx, o.Stage))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("flow: start stage %q: %w", o.Name, err)
	}
	if o.keyer, _ = o.proc.(stage.Keyer[I]); o.keyer != nil {
		o.detour.Store(true)
	}
	if rt.disturb != nil && !rt.disturbs {
		o.proc = disturbedProcessor[I]{o.proc, rt.disturb}
	}
	if o.Desc.Async {
		o.detour.Store(true)
	}
	o.chunker, _ = o.proc.(stage.Chunker[I, O])
	return nil
}

// drain ends when what the operator emitted is with the stages below. An asynchronous one may
// complete its last record in the middle of a stretch of work, whose end sends on what is emitted.
func (o *operator[I, O]) drain(context.Context) error {
	err := o.guard.drain(o.ctx)
	if o.Desc.Async {
		o.out.seg.root().do(func(context.Context) {})
	}
	return err
}

func (o *operator[I, O]) unfinished() bool {
	u, ok := o.proc.(stage.Unfinished)
	return ok && u.Unfinished()
}

func (o *operator[I, O]) close(context.Context) error {
	if e, ok := o.proc.(interface{ end() }); ok {
		e.end()
	}
	return nil
}

// EmitAll takes records from the stage above. The segment's lock is held.
func (o *operator[I, O]) EmitAll(ctx context.Context, rs []stage.Record[I]) {
	switch {
	case o.chunker == nil || o.detour.Load():
		o.emitEach(ctx, rs)
	case o.Desc.Fallible:
		o.emitPaced(ctx, rs)
	default:
		o.emitChunk(ctx, rs)
	}
}

const (
	// maxChunk is the most records of one chunk of a stage that may be slow.
	maxChunk = 1024
	// chunkTime is how long a chunk may take before the next are made smaller.
	chunkTime = time.Millisecond
)

// emitEach works on records one by one.
func (o *operator[I, O]) emitEach(ctx context.Context, rs []stage.Record[I]) {
	if !o.Desc.Fallible {
		for _, r := range rs {
			o.Emit(ctx, r)
		}
		return
	}
	start, begun := time.Now(), time.Duration(0) // a time since is had for half of time.Now
	for _, r := range rs {
		o.Emit(ctx, r)
		now := time.Since(start)
		if now-begun > chunkTime {
			o.seg.flush()
		}
		begun = now
	}
}

// emitPaced works on chunks that are short in time: a function that may fail often calls another
// system, and the first record is not to wait for the last of many such calls.
func (o *operator[I, O]) emitPaced(ctx context.Context, rs []stage.Record[I]) {
	for len(rs) > 0 {
		if o.detour.Load() {
			o.EmitAll(ctx, rs)
			return
		}
		n := min(len(rs), max(o.limit, 1))
		begun := time.Now()
		o.emitChunk(ctx, rs[:n])
		if time.Since(begun) > chunkTime {
			o.limit = n / 4
			o.seg.flush()
		} else if n >= o.limit {
			o.limit = min(2*n, maxChunk)
		}
		rs = rs[n:]
	}
}

// emitChunk works on records as one chunk. Failures cut it in parts.
func (o *operator[I, O]) emitChunk(ctx context.Context, rs []stage.Record[I]) {
	o.in += int64(len(rs))
	c := &o.chunk
	for c.In = rs; len(c.In) > 0; c.At = 0 {
		err := o.processChunk(c)
		if err == nil {
			break
		}
		o.ended(ctx, c.In[c.At], trial{}, err)
		c.In = c.In[c.At+1:]
	}
	c.In, c.At = nil, 0
	if len(c.Dropped) > 0 {
		stage.DoneAll(c.Dropped)
		c.Dropped = c.Dropped[:0]
	}
	if len(c.Out) > 0 {
		o.out.next.EmitAll(ctx, c.Out)
		c.Out = c.Out[:0] // not cleared: the values of one chunk stay alive until the next
	}
}

func (o *operator[I, O]) processChunk(c *stage.Chunk[I, O]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = o.panicked(p)
		}
	}()
	return o.chunker.ProcessChunk(o.ctx, c)
}
