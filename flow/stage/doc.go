// Package stage is the contract between rocketflow's engine and what plugs into it: sources,
// sinks and operators. Users of pipelines import package flow; authors of connectors and
// operators implement the interfaces of this one.
//
// # The model
//
// A [Source] is a description; opening it gives a [Reader], which hands out records a [Batch] at
// a time. Each value travels on as a [Record], a small struct passed by value: the value and the
// duty to settle it. An [Operator] turns records of one type into records of another. A [Sink]
// opens to a [Writer], which writes batches. When all that came of a record is safe, its outcome
// returns to the batch it was read in, and only then does the source acknowledge it.
//
// An author writes the few methods of these interfaces and nothing about acks, retries,
// batching, metrics or shutdown: those are the engine's.
//
// # Rules of settlement
//
// The engine and the operators quote these rules by number where they keep them.
//
//  1. Each record read is settled exactly once: done, or failed with an error.
//  2. Map moves the duty to settle; a filter that drops, settles done; a flat map to n takes
//     n-1 more duties before the first emission, and n = 0 settles done.
//  3. A batch, a window or a join holds the duty of each member; a member of several windows
//     settles with the last.
//  4. Fan-out settles when all required branches have; a failure wins and sticks, also over what
//     another branch hands back.
//  5. A sink's success settles done, value by value; a failure goes to the stage's error policy. What that
//     sends on to come again is put off: done for its source, and for no one who remembers what is done.
//  6. A write to durable state may settle, where the state then answers for the value. From
//     there on it cannot be handed back.
//  7. Settlement is not cancelled with the pipeline's context: outcomes leave on their own,
//     bounded by the lease.
//  8. On a source with keys, values of one key pass a fallible stage one at a time. When one is
//     handed back, later records of its key that were already read are handed back unprocessed,
//     and none reaches a sink before it. Duplicates are possible; loss and reordering are not.
//     A writer with ordered keys stops a key at its first failure.
//  9. A failure belongs to the stage that raised it: upstream operators neither see nor repeat
//     it, and siblings go on. A stage's emissions are published when its function has returned
//     without error. Retries wait off the fused goroutine: only the record, or its key, waits.
//     In a drain, waits end at the deadline and the record is handed back.
//
// # Settling
//
// A record's duty is settled by [Duty.Done], [Duty.Fail] or [Duty.PutOff], or with the outcome of another by
// [Duty.Settle], forked by [Duty.Retain], moved to another value by [Record.With], gathered by [Join] and
// stood in for by [Duty.StandIn]; there is no other way. A duty settled twice changes nothing: the second
// call reports false.
package stage
