package gostreams

import (
	"context"
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
	delay nackDelay
	// admit gives the value of an element, and whether the element carries it. It is called once for
	// each, by one goroutine.
	admit func(e any) (value T, carries bool, err error)
	// lost is told of failed values that carry no duty. If nil, the engine is: Run then fails.
	lost func(value any, err error)
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
	for len(l.values) < readSize {
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
	intake  intake[T]
	values  []T
	carried []carriage // by index; nil as long as nothing is carried
	faults  []stage.Fault
	expires time.Time // the end of the first lease among them
}

// carriage is what an element carries besides its value.
type carriage struct {
	claim claim // nil if there is none
	info  stage.Info
}

func (l *load[T]) add(e any) {
	value, carries, err := l.intake.admit(e)
	if err != nil {
		l.faults = append(l.faults, stage.Fault{Index: len(l.values), Err: err})
	}
	l.values = append(l.values, value)
	if !carries && l.carried == nil {
		return
	}
	l.carried = append(l.carried, make([]carriage, len(l.values)-len(l.carried))...)
	if !carries {
		return
	}
	info, end := knownOf(e)
	l.carried[len(l.values)-1] = carriage{claimOf(e, l.intake.delay), info}
	if !end.IsZero() && (l.expires.IsZero() || end.Before(l.expires)) {
		l.expires = end
	}
}

func (l *load[T]) batch() stage.Batch[T] {
	b := stage.Batch[T]{Values: l.values, Faults: l.faults, Settler: l, Expires: l.expires}
	if l.carried != nil {
		b.Info = func(i int) stage.Info { return l.carried[i].info }
	}
	return b
}

// settlesAtOnce is how many deliveries of one read are settled at a time. Each is a call to a server.
const settlesAtOnce = 16

// Settle settles the deliveries among the elements, and tells of the others that failed. A
// [*stage.BatchError] names the outcomes that may be lost.
func (l *load[T]) Settle(ctx context.Context, outcomes []stage.Outcome) error {
	if l.carried == nil {
		l.tellLost(outcomes)
		return nil
	}
	var (
		calls sync.WaitGroup
		slots = make(chan struct{}, settlesAtOnce)
		errs  = make([]error, len(outcomes))
	)
	for n, o := range outcomes {
		c := l.carried[o.Index].claim
		if c == nil {
			l.tellLost(outcomes[n : n+1])
			continue
		}
		slots <- struct{}{}
		calls.Go(func() {
			errs[n] = c.settle(ctx, o.Err)
			<-slots
		})
	}
	calls.Wait()
	var failed stage.BatchError
	for n, o := range outcomes {
		if errs[n] != nil {
			failed.Fail(o.Index, errs[n])
		}
	}
	return failed.OrNil()
}

func (l *load[T]) tellLost(outcomes []stage.Outcome) {
	for _, o := range outcomes {
		if o.Err != nil && l.intake.lost != nil {
			l.intake.lost(l.values[o.Index], o.Err)
		}
	}
}
