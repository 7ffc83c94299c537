// Package sinks has the sinks that pipelines write to: memory, functions, files, and RocketMQ.
//
// A sink is a description, made by a constructor and its options. It opens nothing until a
// pipeline runs it, and can be run again.
//
//   - [Collect] gathers values in memory, for tests; [Discard] drops them.
//   - [Func] and [FuncBatch] call a function; [Writer] and [Stdout] print.
//   - [Lines], [CSV] and [JSONLines] write files, plain or gzip, and go on where an earlier run
//     was cut off: see [File].
//   - [RocketMQ] sends messages to a topic.
//   - [DeadLetterTopic] and [DeadLetterFile] take what failed for good, for flow.DeadLetter.
//
// # What is safe
//
// A record is acknowledged at its source when its sink has written it. Each sink here says what it
// has done by then: a file is synced to the disk, a message is stored by the server. All of them
// may write a value twice, after a crash or a failure whose outcome is not known; none loses one.
package sinks
