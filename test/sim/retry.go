package sim

import (
	"context"
	"errors"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// What a policy sends to the retry topic is read from it by a group of its own.
const (
	retryTopic = "retry"
	retryGroup = "retries"
)

// drawRetries draws the delays of the retry topic.
func (d *design) drawRetries(dice randpipe.Dice) {
	for range 1 + dice.IntN(3) {
		d.delays = append(d.delays, dice.Between(time.Second, 30*time.Second))
	}
}

func (d *design) retries() bool { return len(d.delays) > 0 }

// returns tells whether a policy sends what failed to the retry topic before it is a dead letter.
func (d *design) returns(seed uint64, spec *randpipe.Grave) bool {
	return d.retries() && randpipe.NewDice(seed, "retry by "+spec.Name).Chance(80)
}

// addRetries has the broker have the retry topic.
func (h *host) addRetries() {
	d := randpipe.NewDice(h.w.seed, "retry host")
	h.opts.Topics = append(h.opts.Topics, broker.Topic{Name: retryTopic, Queues: 1 + d.IntN(4), Type: broker.Delay})
	h.opts.Groups = append(h.opts.Groups, broker.Group{
		Name: retryGroup, RetryMaxTimes: 3 + d.IntN(14),
		Backoff: broker.RetryPolicy{Initial: d.Between(100*time.Millisecond, 3*time.Second), Max: 20 * time.Second},
	})
	h.dlqs = append(h.dlqs, "%DLQ%"+retryGroup)
}

// retrySink is the retry topic in front of a grave, as one process has it.
type retrySink struct {
	topic stage.RetrySink
	grave grave
}

var _ stage.RetrySink = retrySink{}

// ComesAgain is that of the retry topic.
func (s retrySink) ComesAgain(f flow.Failure) bool { return s.topic.ComesAgain(f) }

// Redelivery is that of the retry topic.
func (s retrySink) Redelivery() time.Duration { return s.topic.Redelivery() }

// Open gives a writer that tells the ledger what is to come again.
func (s retrySink) Open(ctx context.Context) (stage.Writer[flow.Failure], error) {
	w, err := s.topic.Open(ctx)
	return retryWriter{w, s.grave}, err
}

type retryWriter struct {
	stage.Writer[flow.Failure]
	grave grave
}

// Write writes, and notes what is to come again: the grave tells of the others itself.
func (r retryWriter) Write(ctx context.Context, b stage.Batch[flow.Failure]) error {
	err := r.Writer.Write(ctx, b)
	var some *stage.BatchError
	for i, f := range b.Values {
		failure := err
		if errors.As(err, &some) {
			failure = some.Failed[i]
		}
		if failure != nil || r.grave.isFinal(f) {
			continue
		}
		for _, it := range itemsOf(f) {
			r.grave.w.ledger.returned(it.At(f.Stage))
		}
	}
	return err
}

// isFinal tells whether a failure is one for the grave: at once, or since one of its messages has come as
// often as it may.
func (g grave) isFinal(f flow.Failure) bool {
	if g.tries == 0 || f.Value == nil || stage.IsPermanent(f.Err) {
		return true
	}
	sources := f.Sources
	if sources == nil {
		sources = []any{f.Source}
	}
	for _, s := range sources {
		if m, ok := s.(*client.Message); ok && sinks.Retries(m) >= g.tries {
			return true
		}
	}
	return false
}

// itemsOf gives the values that a failure is of; nil for what could not be decoded.
func itemsOf(f flow.Failure) []randpipe.Item {
	switch v := f.Value.(type) {
	case randpipe.Item:
		return []randpipe.Item{v}
	case []randpipe.Item:
		return v
	case operators.Either[randpipe.Item, randpipe.Item]: // at a join
		if v.IsRight {
			return []randpipe.Item{v.Right}
		}
		return []randpipe.Item{v.Left}
	}
	return nil
}
