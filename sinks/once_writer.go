package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

const (
	onceAtOnce = 32 // transactions of a write that are sent, or ended, at the same time
	onceRounds = 3  // how often a write tries what was called off or changed under its hands
)

type onceWriter[T any] struct {
	sink     *RocketMQOnceSink[T]
	producer *client.Producer
	sent     verdicts
}

// Write sends what the store has no entry for. It returns when the entries are made; what became of a
// transaction after that is no failure of its value.
func (w *onceWriter[T]) Write(ctx context.Context, b stage.Batch[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var failed stage.BatchError
	left := w.outputs(b, &failed)
	for round := 1; len(left) > 0; round++ {
		again, err := w.round(ctx, left, &failed)
		if err != nil || round == onceRounds {
			for _, o := range again {
				o.fail(&failed, w.explain("the store's entries changed while they were made", err))
			}
			break
		}
		left = again
	}
	return failed.OrNil()
}

// output is a value on its way.
type output struct {
	index   int
	id      string
	message *client.Message
	token   string
	tx      *client.Transaction
	entry   state.Item[string, verdict] // as it was read
	twins   []int                       // values that are the same again
}

// outputs encodes the values.
func (w *onceWriter[T]) outputs(b stage.Batch[T], failed *stage.BatchError) []*output {
	outs := make([]*output, 0, b.Len())
	by := make(map[string]*output, b.Len())
	for i, v := range b.Values {
		info := b.At(i)
		id := w.sink.id(v, info)
		m, err := w.sink.encode(v)
		switch first := by[id]; {
		case err != nil:
		case m == nil:
			err = errors.New("there is no message")
		case id == "":
			err = errors.New("the id is empty, by which it would be known: give the sink another function")
		case first != nil && b.At(first.index).Attempt == info.Attempt:
			err = fmt.Errorf("another value has the same id %q, and one of them would be lost: give the sink a function that tells them apart", id)
		case first != nil:
			first.twins = append(first.twins, i)
			continue
		}
		if err != nil {
			failed.Fail(i, stage.Permanent(fmt.Errorf("sinks: send once to %q: %w", w.sink.topic, err)))
			continue
		}
		by[id] = &output{index: i, id: id, message: m}
		outs = append(outs, by[id])
	}
	return outs
}

// round takes outputs through all steps, and gives those that are to be tried again; all of them that
// are not known to be sent, with an error.
func (w *onceWriter[T]) round(ctx context.Context, outs []*output, failed *stage.BatchError) (again []*output, err error) {
	outs, err = w.unsent(ctx, outs)
	if err != nil {
		return outs, err
	}
	outs = w.send(ctx, outs, failed)
	won, lost, err := w.decide(ctx, outs)
	if err != nil {
		return outs, err
	}
	w.end(ctx, won, (*client.Transaction).Commit)
	w.end(ctx, lost, (*client.Transaction).Rollback)
	return lost, nil
}

// unsent gives the outputs that the store has no entry for.
func (w *onceWriter[T]) unsent(ctx context.Context, outs []*output) ([]*output, error) {
	ids := make([]string, len(outs))
	for i, o := range outs {
		ids[i] = o.id
	}
	entries, err := w.sent.read(ctx, ids)
	if err != nil {
		return outs, err
	}
	var left []*output
	for i, o := range outs {
		if o.entry = entries[i]; !o.entry.Found() || !o.entry.Value.Sent {
			left = append(left, o)
		}
	}
	return left, nil
}

// send sends each output in a transaction, and gives those that were.
func (w *onceWriter[T]) send(ctx context.Context, outs []*output, failed *stage.BatchError) []*output {
	errs := make([]error, len(outs))
	each(outs, func(i int, o *output) { errs[i] = w.sendOne(ctx, o) })
	var halves []*output
	for i, o := range outs {
		if errs[i] != nil {
			o.fail(failed, explainOnce(w.sink.topic, errs[i]))
			continue
		}
		halves = append(halves, o)
	}
	return halves
}

func (w *onceWriter[T]) sendOne(ctx context.Context, o *output) error {
	tx, err := w.producer.BeginTransaction()
	if err != nil {
		return err
	}
	o.tx, o.token = tx, rand.Text()
	m := *o.message
	m.Topic = w.sink.topic
	m.Properties = make(map[string]string, len(o.message.Properties)+2)
	for k, v := range o.message.Properties {
		m.Properties[k] = v
	}
	m.Properties[PropertyOutput], m.Properties[PropertyTransaction] = hashed(o.id), o.token
	_, err = tx.Send(ctx, &m)
	return err
}

// decide makes the entries: won are the outputs whose entry is theirs now. Of the others someone else
// has made one, or has called it off.
func (w *onceWriter[T]) decide(ctx context.Context, outs []*output) (won, lost []*output, err error) {
	for len(outs) > 0 {
		var c state.Changes
		for _, o := range outs {
			if err := w.sent.table.PutIf(&c, o.entry, verdict{Token: o.token, Sent: true}); err != nil {
				return won, lost, err
			}
		}
		_, err := w.sent.store.Commit(ctx, &c)
		var conflict *state.ConflictError
		switch {
		case err == nil:
			return append(won, outs...), lost, nil
		case !errors.As(err, &conflict):
			return won, lost, err
		}
		beaten := make(map[int]bool, len(conflict.Writes))
		for _, i := range conflict.Writes {
			beaten[i] = true
		}
		var rest []*output
		for i, o := range outs {
			if beaten[i] {
				lost = append(lost, o)
			} else {
				rest = append(rest, o)
			}
		}
		outs = rest
	}
	return won, lost, nil
}

// end ends transactions. What does not get through the server asks about.
func (w *onceWriter[T]) end(ctx context.Context, outs []*output, how func(*client.Transaction, context.Context) error) {
	each(outs, func(_ int, o *output) {
		if err := how(o.tx, ctx); err != nil {
			w.sink.cfg.log.WarnContext(ctx, "the end of a transaction did not get through; the server will ask about it",
				"topic", w.sink.topic, "output", o.id, "error", err)
		}
	})
}

// each calls f for all outputs, some of them at the same time.
func each(outs []*output, f func(i int, o *output)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, onceAtOnce)
	for i, o := range outs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i, o)
		})
	}
	wg.Wait()
}

func (o *output) fail(failed *stage.BatchError, err error) {
	failed.Fail(o.index, err)
	for _, twin := range o.twins {
		failed.Fail(twin, err)
	}
}

func (w *onceWriter[T]) explain(what string, err error) error {
	if err == nil {
		return fmt.Errorf("sinks: send once to %q: %s, %d times: two processes send the same, or the store is slow", w.sink.topic, what, onceRounds)
	}
	return fmt.Errorf("sinks: send once to %q: %w", w.sink.topic, err)
}

// explainOnce tells failures that may pass from those that do not.
func explainOnce(topic string, err error) error {
	wrapped := fmt.Errorf("sinks: send once to %q: %w", topic, err)
	if !client.Temporary(err) {
		return stage.Permanent(wrapped)
	}
	return wrapped
}

// Close waits for what is being sent and for questions of the server. It is safe to call it again.
func (w *onceWriter[T]) Close(context.Context) error {
	if err := w.producer.Close(); err != nil {
		return fmt.Errorf("sinks: close producer for %q: %w", w.sink.topic, err)
	}
	return nil
}
