// Package engine runs pipelines: it is the machinery under packages flow and operators.
//
// # Structure
//
// A [Plan] is made from the sinks upwards, so that each stage knows where it emits to when it is
// added. Every run of synchronous stages shares a [Segment]: a lock, under which records are
// pushed from stage to stage by plain calls. Nothing is queued inside a segment. What makes a
// segment run is a source's reader, a timer, a retry, or an asynchronous stage upstream; each
// takes the lock, pushes, and flushes what the stretch of work left behind.
//
// Locks are taken downstream only, so they cannot form a circle. A blocked sink holds the locks
// above it: that is the backpressure.
//
// # Settlement
//
// The records of one read share a slab of duties (package stage). When duties settle, the
// source's settler collects the outcomes and gives them back, many at a time, on a goroutine of
// its own (rule 7).
package engine
