// Package flow builds and runs pipelines: typed chains from a source over operators to sinks, in
// which a record is acknowledged only after everything that came of it has succeeded.
//
//	p := flow.From(source).Map(parse).Filter(valid).To(sink, flow.Batched(500, time.Second))
//	err := p.Run(ctx)
//
// # The model
//
// A [Stream] describes values on their way; its methods describe what is done to them. A
// [Pipeline] is a description with its ends. Nothing starts before [Pipeline.Run]; until then it
// can be validated, printed with [Pipeline.Explain], named, and tested, and it can be run again.
//
// Sources, sinks and operators implement the contract of package stage, and come from packages
// sources, sinks and operators, from others, or from a few lines of the user's.
//
// # What is promised
//
// Each record that is read ends in exactly one way: settled done after all its effects succeeded,
// handed back to its source as failed, or dead-lettered where [Stream.OnError] says so. Skipping
// is always explicit, and counted. Package stage numbers the rules; order, duplicates and what a
// source with keys adds are stated there.
//
// # Errors
//
// A failure belongs to the stage that raised it. Its [Policy] says what follows: [Retry], then
// [Nack], [DeadLetter], [Skip] or [Stop]. Panics of users' functions are errors of their stage.
//
// # The end
//
// When the context of Run ends, reading stops and what is in flight is finished, within
// [WithDrainTimeout]. When the sources have no more, Run returns after the last record is settled.
package flow
