// Package engine runs pipelines: it is the machinery under packages flow and operators.
//
// # Structure
//
// A [Plan] is made from the sinks upwards, so that each stage knows where it emits to when it is
// added. Every run of synchronous stages shares a [Segment]: a lock, under which records are
// pushed from stage to stage by plain calls, one by one or a chunk at a time. What makes a segment
// run is a source's reader, a timer, a retry, or an asynchronous stage upstream; each takes the
// lock, pushes, and at the end of the stretch of work sends on what was gathered for it: the
// values of a sink, and what flows into a merge.
//
// Locks are taken downstream only, so they cannot form a circle: the sinks of dead letters are
// below all. Full queues of a sink's writers hold the locks above it: that is the backpressure.
//
// Before each operator stands a guard, which turns panics into errors and applies the error policy.
// While an asynchronous operator has a record that was tried before or holds a key, a passage
// stands in for its duty, and tells on return which record it was.
//
// # Settlement
//
// The records of one read share a slab of duties (package stage). When duties settle, the
// source's settler collects the outcomes and gives them back, many at a time, on goroutines of
// its own (rule 7); where Settle waits for nothing, on the goroutine that settles the last record.
//
// # The order of keys
//
// For a keyed source a ledger knows which keys had a record handed back, and so which of those
// already read must turn back, and gates let one record of a key into a stage at a time (rule 8).
// An operator may have keys of its own: a second gate gives each record its turn, behind the first.
package engine
