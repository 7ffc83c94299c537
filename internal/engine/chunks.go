package engine

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

const (
	// maxChunk is the most records of one chunk of a stage that may be slow.
	maxChunk = 1024
	// chunkTime is how long a chunk may take before the next are made smaller.
	chunkTime = time.Millisecond
)

// emitAll takes records that cannot be worked on as one chunk.
func (g *guard[I]) emitAll(ctx context.Context, rs []stage.Record[I]) {
	if !g.chunks || g.stage.detour.Load() {
		g.emitEach(ctx, rs)
	} else {
		g.emitPaced(ctx, rs)
	}
}

// emitEach works on records one by one.
func (g *guard[I]) emitEach(ctx context.Context, rs []stage.Record[I]) {
	if !g.stage.Desc.Fallible {
		for _, r := range rs {
			g.emit(ctx, r)
		}
		return
	}
	start, begun := time.Now(), time.Duration(0) // a time since is had for half of time.Now
	for _, r := range rs {
		g.emit(ctx, r)
		now := time.Since(start)
		if now-begun > chunkTime {
			g.stage.seg.flush()
		}
		begun = now
	}
}

// emitPaced works on chunks that are short in time: a function that may fail often calls another
// system, and the first record is not to wait for the last of many such calls.
func (g *guard[I]) emitPaced(ctx context.Context, rs []stage.Record[I]) {
	for len(rs) > 0 {
		if g.stage.detour.Load() {
			g.emitEach(ctx, rs)
			return
		}
		n := min(len(rs), max(g.limit, 1))
		begun := time.Now()
		g.op.emitChunk(ctx, rs[:n])
		if time.Since(begun) > chunkTime {
			g.limit = n / 4
			g.stage.seg.flush()
		} else if n >= g.limit {
			g.limit = min(2*n, maxChunk)
		}
		rs = rs[n:]
	}
}
