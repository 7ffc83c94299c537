// Package sim runs the whole of it, broker, clients and pipelines, in one bubble of virtual time under
// a plan of faults that a seed decides, and holds what happens against a ledger of all effects.
//
// A world ([Run]) is made from a seed: a topology of topics and groups, a random pipeline (package
// randpipe), processes that run it as members of one group, and the faults that befall
// them. Producers send inputs until each is stored; the storm of faults ends at some time; then the
// pipelines have to finish. What the stages and sinks do with a value depends on nothing but what the
// value is, so the ledger knows by plain evaluation what must come of each input.
//
// The rules:
//
//   - Loss: an input that was stored has all its effects in the end, unless a policy skipped it or put
//     it among the dead letters, or the broker did after the group's most attempts.
//   - EarlyAck: a delivery is acknowledged only when all its effects are there, or a store has the value that
//     gives them, or the broker has a message in the retry topic for those that failed.
//   - Order: of a message group no value reaches a sink before those of earlier inputs.
//   - Unknown: no sink gets a value that nothing gives.
//   - Duplicate: an effect is there once for each delivery of its input, and more often only as often as
//     a write of it ended without a clear answer.
//   - Settled: a delivery that was acknowledged is not settled otherwise, and does not come again.
//   - Promise: an operator that drops, gathers or counts does so as it says. Windows in a store count a value
//     once, over all processes; a revision of a pane has one value, and the next has what it had.
//   - Ending: runs end with errors they may end with, in time, and report what they handed back.
//
// # Windows in a store
//
// Three worlds in ten, and six of those with a retry topic, may have windows in a store ([flow.Windowed.KeptIn]): any number of them, of all
// kinds, by both clocks, and also where message groups are kept in order. The store outlives the
// processes, which share it. What it has is told by its commits, whatever the operator says. Such a result
// is given until it is safe, so no function fails for ever there; and no order is asked of its values.
// When all members have left, a last process whose input has ended gives what is incomplete: then nothing
// that a store had may be missing.
//
// # Retry topics
//
// In two worlds of ten policies send what fails to a retry topic ([sinks.RetryTopic]), which the processes
// read as well, by a group of its own. What comes again is another delivery of its input: nothing is excused by
// it in the end, and the world goes on until each message of the retry topic is acknowledged. By Promise such a
// message counts one retry more than what it is of, and no more than there are delays; comes not before its
// time, and as what it was; and nothing is a dead letter before its retries are used up, but what fails for
// good. A Dedupe lets it pass, since it was put off and not done. Of a message group what was put off has left
// the order; all others keep it. To windows in a store and to joins, which are drawn more often there, it is
// the value that they know, or are yet to see. Take and TakeWhile are not drawn: a branch that has ended hands
// back what another puts off, and there would be a message more each time.
//
// # Joins
//
// Four worlds in ten, and seven of those with a retry topic, may have joins of two streams, where no message
// group is kept in order: by processing time, with up to two in a pipeline. Both streams are made of one: by a
// split, so that a value is on one side, or by a broadcast, so that it is on both. Which pairs there are after
// crashes is not told beforehand. The effect of a value is that it is in a result, with a partner or alone,
// unless the join gives none of its side alone: it is there before the value is acknowledged, and a value is not
// given alone behind a pair in one process, whether it has come again or not (Promise). Joins by event time, and
// the pairs of values with themselves, are drawn where inputs have an end: in the property test of package flow.
//
// # Joins with a table
//
// Two worlds in ten may have joins with a table ([flow.Keyed.JoinTable]), of all kinds, also where message groups
// are kept in order. The values of a stream are the changes as well, by versions that mostly rise, and some of
// them delete. The store outlives the processes, which share it, and what it has is told by its commits. A change
// is an effect, which is there when the store has it or a newer one of its key: by EarlyAck before it is
// acknowledged, and by Loss in the end. By Promise no row is set back, and a value finds what had been committed
// when it came, or something newer of its key; without a row, of an inner join, it may be dropped.
//
// # Faults
//
// There are 44 kinds ([Kind]), and a run of 200 seeds or more fails if one of them has not occurred:
//
//   - of calls: requests lost, slow, late and twice; answers lost and slow; refused as unavailable, failed
//     after they were done, throttled, an internal error; polls lost and cut; a damaged body
//   - of connections: telemetry streams cut, all connections cut, a process cut off from the broker
//   - of the broker: frozen, frozen for longer than requests wait, restarted, killed, crashed with the loss
//     of what was not synced
//   - of processes: crashed, drained, drained with too little time, cut in a drain, joined
//   - of functions: slower than the lease, failed, failed for good, panicked, slow
//   - of sinks: writes failed, unclear, failed in part, failed for good, panicked, slow; not opened; burials
//     failed
//   - of producers: an input stored twice
//   - of stores: a call failed, a commit made whose answer is lost, slow
//   - of what failed: stored in the retry topic
//
// # Replay
//
// No gRPC transport runs (see broker.Broker.Connect), the sources of randomness are seeded, one processor
// runs the goroutines, the garbage collector rests during a run, and each simulated latency and timer has
// an instant of its own, so that no two goroutines are woken at once. What is left to chance is what the
// runtime draws itself: the order of timers that are due at one instant, of select's cases, and of maps;
// and on a busy machine when a goroutine has to wait for the processor. On a runtime that package seeded
// has built that is decided by the seed as well, and each world has a process of its own: then a seed goes
// the same way each time, to the nanosecond.
package sim
