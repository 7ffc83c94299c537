package gostreams

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// readSize is how many elements that wait in a channel are read at once.
const readSize = 64

// intake is a channel of go-streams as a source. Its values are what admit makes of the elements.
type intake[T any] struct {
	name  string
	in    <-chan any
	delay NackDelay
	// admit gives the value of an element, and whether the element carries it. It is called once for
	// each, by one goroutine.
	admit func(e any) (value T, carries bool, err error)
	// lost is told of failed elements that carry no duty. If nil, the engine is: Run then fails.
	lost func(e any, err error)
}

var (
	_ stage.Source[int]     = intake[int]{}
	_ stage.Reader[int]     = intake[int]{}
	_ stage.SourceDescriber = intake[int]{}
)

// SourceTraits says that failed records come again: a delivery does, by its own source, and of
// another value lost is told.
func (s intake[T]) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Name: s.name, Redelivers: s.lost != nil}
}

// Open gives a reader that goes on where the last one stopped.
func (s intake[T]) Open(context.Context) (stage.Reader[T], error) { return s, nil }

// Read waits for one element and takes along what is there besides.
func (s intake[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	if err := ctx.Err(); err != nil {
		return stage.Batch[T]{}, err
	}
	l := &load[T]{intake: s}
	select {
	case e, ok := <-s.in:
		if !ok {
			return stage.Batch[T]{}, io.EOF
		}
		l.add(e)
	case <-ctx.Done():
		return stage.Batch[T]{}, ctx.Err()
	}
	for len(l.elements) < readSize {
		select {
		case e, ok := <-s.in:
			if !ok {
				return l.batch(), nil // the next Read finds the end
			}
			l.add(e)
		default:
			return l.batch(), nil
		}
	}
	return l.batch(), nil
}

// Close leaves the channel as it is: who sends to it may be another than who runs the pipeline.
func (s intake[T]) Close(context.Context) error { return nil }

// load is the elements of one read.
type load[T any] struct {
	intake   intake[T]
	elements []any
	values   []T
	claims   []claim // nil for an element that carries nothing
	infos    []stage.Info
	faults   []stage.Fault
	expires  time.Time // the end of the first lease among them
}

func (l *load[T]) add(e any) {
	value, carries, err := l.intake.admit(e)
	if err != nil {
		l.faults = append(l.faults, stage.Fault{Index: len(l.elements), Err: err})
	}
	var c claim
	if carries {
		c = claimOf(e, l.intake.delay)
	}
	var info stage.Info
	if carries {
		var end time.Time
		info, end = knownOf(e)
		if !end.IsZero() && (l.expires.IsZero() || end.Before(l.expires)) {
			l.expires = end
		}
	}
	l.elements, l.values = append(l.elements, e), append(l.values, value)
	l.claims, l.infos = append(l.claims, c), append(l.infos, info)
}

func (l *load[T]) batch() stage.Batch[T] {
	return stage.Batch[T]{
		Values: l.values, Faults: l.faults, Settler: l, Expires: l.expires,
		Info: func(i int) stage.Info { return l.infos[i] },
	}
}

// settlesAtOnce is how many deliveries of one read are settled at a time. Each is a call to a server.
const settlesAtOnce = 16

// Settle settles the deliveries among the elements, and tells of the others that failed.
func (l *load[T]) Settle(ctx context.Context, outcomes []stage.Outcome) error {
	var (
		calls sync.WaitGroup
		slots = make(chan struct{}, settlesAtOnce)
		errs  = make([]error, len(outcomes))
	)
	for n, o := range outcomes {
		c := l.claims[o.Index]
		switch {
		case c != nil:
			slots <- struct{}{}
			calls.Go(func() {
				errs[n] = c.settle(ctx, o.Err)
				<-slots
			})
		case o.Err != nil && l.intake.lost != nil:
			l.intake.lost(l.elements[o.Index], o.Err)
		}
	}
	calls.Wait()
	return errors.Join(errs...)
}
