// Package state keeps what pipelines must not forget: values by table and key, with expiry, and marks
// of what has been processed. Operators take a [Store]; users give them one of these:
//
//   - [NewMemory], in this package, keeps all in memory and forgets it with the process.
//   - state/pebble, a module of its own, keeps it in a directory, for one process.
//   - state/postgres, a module of its own, keeps it in PostgreSQL, for any number of processes.
//
// RocketMQ pins no queue to a process: any member of a consumer group may get any message. State in
// memory or in a directory is therefore right where the group has one process; several need a store
// that they share.
//
// # Commits
//
// A [Store] changes by [Store.Commit] alone, which takes any number of writes to any tables and makes
// all of them or none. What is to be remembered together, such as a sum and the ids of the messages
// that are in it, goes into one commit. So a message that comes again, after a crash or because its
// lease ended, is found out by its mark and changes nothing; and whoever acknowledges after the commit
// has returned loses nothing.
//
// # Versions
//
// Each commit has a [Version], which the store never gives twice. It is the version of all that the
// commit wrote. A write may ask, by [Write.If], that its key still has the version that was read, or is
// still absent. If anything has changed, the whole commit fails with a [ConflictError] and changes
// nothing. This keeps processes that share a store out of each other's way, and is a fence: one that
// was paused beyond its lease, while another did its work, finds the versions gone on and the marks
// there, and writes nothing. A write with [Any] has no fence.
//
// # Tables
//
// Stores keep bytes. [Table] gives them types, [Marks] gives the ids of what was processed a table.
package state
