// Package gostreams lets rocketflow and go-streams (github.com/reugn/go-streams) work together, in
// both directions: sources, sinks and operators of rocketflow serve in a go-streams graph, and those
// of go-streams serve in a pipeline of package flow.
//
//	source, err := gostreams.NewSource(ctx, c, "orders", "billing")
//	sink, err := gostreams.NewSink(ctx, c, "bills")
//	source.Via(flow.NewMap(bill, 1)).To(sink) // acknowledges an order when its bill is stored
//
// where bill takes a [*client.Delivery] d and returns gostreams.Wrap(d).With(message).
//
// # Acknowledgement
//
// A go-streams graph moves values of any type over channels, and knows neither acknowledgement nor
// error. What must be acknowledged therefore travels with its value, as a [Delivery]: [Delivery.With]
// gives another value the duty, [Delivery.Fork] divides it, and [Delivery.Ack] or [Delivery.Nack]
// ends it. Adapters of this package settle deliveries that reach them and pass them on as such, so
// that a message is acknowledged after the last of them. A value that is no delivery settles nothing.
//
// # Ours inside theirs
//
//   - [NewSource] is a topic as a streams.Source of *client.Delivery, to be settled by hand or by an
//     adapter downstream.
//   - [NewSink] sends messages, and acknowledges after the send what they came with.
//   - [SourceOf] and [SinkOf] do the same for any stage.Source and stage.Sink.
//   - [Flow] makes an operator a streams.Flow. Adjacent ones are fused: between them there is no
//     channel and no goroutine.
//
// Each honours what go-streams expects: it closes its output when its input is closed, and goes on
// reading its input after a failure that ends it, so that nothing upstream blocks. What is then read
// is handed back, if it is a delivery.
//
// # Theirs inside ours
//
// A flow of go-streams forgets where a value came from. What can be promised for one depends on what
// is known about it, which is why there are three adapters:
//
//   - [OneToOne]: the flow gives exactly one value for each, in order. Nothing is lost.
//   - [Enveloped]: the flow works on deliveries, and its functions are lifted with [Lift] and its
//     like. Nothing is lost; what does not come out is counted and handed back.
//   - [AtMostOnce]: nothing is known. Records are settled when the flow takes them, and what fails
//     after that is lost.
//
// [From] reads a streams.Source. It has acknowledged, or never will, what it put into its channel, so
// values that fail are lost, unless they are deliveries. [To] writes to a streams.Sink, which
// reports no error: see there for what nil means.
//
// A panic in a function that go-streams calls ends the process. Functions that may panic belong into
// operators of rocketflow, or behind [TryLift].
package gostreams
