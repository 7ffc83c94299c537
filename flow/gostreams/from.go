package gostreams

import (
	"github.com/reugn/go-streams"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// From makes a streams.Source a source of T. The source is begun by then, and is read by one run at a
// time; another goes on where the last one stopped.
//
// What it promises:
//   - Gives: each element that is a T, or a delivery that carries one, such as a *client.Delivery for
//     T = *client.Message. Any other is a fault, and goes by the policy of the source's stage.
//   - Settles: a delivery, done or back. It comes again by its own source, so under RocketMQ nothing is
//     lost.
//   - Loses: any other value that fails, since a stock source has forgotten it by then. Run reports that
//     with a *flow.FailedError. Elements that were taken from the channel are part of the run.
//   - Ends: when the source closes its output. When the run ends before, the source is left as it is:
//     stock sources then wait for someone to take the next element, whatever their context says, and
//     are to be read to their end.
func From[T any](src streams.Source) stage.Source[T] {
	return intake[T]{
		name: "go-streams source", in: src.Out(), delay: defaultNackDelay,
		admit: func(e any) (T, bool, error) {
			value, carries, ok := unwrap[T](e)
			if !ok {
				return value, false, wrongType[T](e)
			}
			return value, carries, nil
		},
	}
}
