package flow

import "github.com/rocketflow-io/rocketflow/flow/stage"

// Through writes the stream to a sink, and goes on with what a source reads of it: the two are ends of
// one topic, or of whatever keeps the values in between. Both halves are one pipeline. A record is
// settled when it is in the topic; what comes of it from there is another record, read and settled
// for itself.
//
//	in        --a---b---c-----|
//	written   --a---b---c-----|    and then settled
//	out       ----a---b---c---     read, by this process or another of the group
//
// On a topic of RocketMQ this spreads work over processes. With a FIFO topic, whose message group is a
// key of the value, and a consumer group in order, any number of processes run the same pipeline and
// the values of one key still follow each other, whichever of them gets which:
//
//	flights.
//		Through(
//			sinks.RocketMQOf(c, "by-carrier", sinks.InGroups(Flight.carrier, json.Marshal)),
//			sources.RocketMQ(c, "by-carrier", "etl")).
//		TryMap(parseFlight).
//
// The order is that in which values came to be in the topic. Processes may join, leave and die: what
// one of them had goes to the others, in order.
func (s Stream[T]) Through[R any](to stage.Sink[T], from stage.Source[R], opts ...SinkOption) Stream[R] {
	return From(from).withSide("Through", s.To(to, opts...))
}
