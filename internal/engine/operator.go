package engine

import (
	"context"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// operator is an operator with its guard, and what of it depends on the type of what it emits. Where it
// can, it works on chunks: the calls between stages, the counting and the recover of panics then cost a
// chunk and not a record.
type operator[I, O any] struct {
	guard guard[I]
	op    stage.Operator[I, O]
	next  stage.Emitter[O]

	chunker stage.Chunker[I, O]
	chunk   stage.Chunk[I, O]
}

var (
	_ guarded[int]       = (*operator[int, string])(nil)
	_ stage.Emitter[int] = (*operator[int, string])(nil)
)

// Emit takes a record from the stage above. The segment's lock is held.
func (o *operator[I, O]) Emit(ctx context.Context, r stage.Record[I]) { o.guard.emit(ctx, r) }

// EmitAll takes records from the stage above. The segment's lock is held.
func (o *operator[I, O]) EmitAll(ctx context.Context, rs []stage.Record[I]) {
	if g := &o.guard; g.chunks && !g.stage.Desc.Fallible && !g.stage.detour.Load() {
		o.emitChunk(ctx, rs)
	} else {
		g.emitAll(ctx, rs)
	}
}

func (o *operator[I, O]) start(rt stage.Runtime) (stage.Processor[I], error) {
	return o.op.Start(rt, o.next)
}

func (o *operator[I, O]) chunks(proc stage.Processor[I]) (can bool) {
	o.chunker, can = proc.(stage.Chunker[I, O])
	return can
}

// emitChunk works on records as one chunk. Failures cut it in parts.
func (o *operator[I, O]) emitChunk(ctx context.Context, rs []stage.Record[I]) {
	o.guard.stage.in += int64(len(rs))
	c := &o.chunk
	for c.In = rs; len(c.In) > 0; c.At = 0 {
		err := o.processChunk(c)
		if err == nil {
			break
		}
		o.guard.ended(c.In[c.At], trial{}, err)
		c.In = c.In[c.At+1:]
	}
	c.In, c.At = nil, 0
	if len(c.Dropped) > 0 {
		stage.DoneAll(c.Dropped)
		c.Dropped = c.Dropped[:0]
	}
	if len(c.Out) > 0 {
		o.next.EmitAll(ctx, c.Out)
		c.Out = c.Out[:0] // not cleared: the values of one chunk stay alive until the next
	}
}

func (o *operator[I, O]) processChunk(c *stage.Chunk[I, O]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = o.guard.stage.panicked(p)
		}
	}()
	return o.chunker.ProcessChunk(o.guard.ctx, c)
}
