// Package sources has the sources that pipelines read from: values in memory, files, and RocketMQ.
//
// A source is a description, made by a constructor and its options. It opens nothing until a
// pipeline runs it, and can be run again.
//
//   - [Values], [Slice], [Channel] and [Seq] read what is in memory. They can be made to behave as
//     a broker does, with keys, redelivery and leases, and tell what became of each value: see
//     [Memory]. That is what pipelines are tested with.
//   - [Lines], [CSV] and [JSONLines] read files, plain or gzip: see [File].
//   - [RocketMQ] receives the messages of a topic for a consumer group.
//
// # What comes again
//
// A source either redelivers a failed record or does not, and says so in its traits. RocketMQ
// does, and so does a Memory made to by [Memory.Redeliver]. Files do not: where a record of
// theirs fails for good, the run returns an error, unless the pipeline's error policy skips it or
// writes it to the dead letters.
package sources
