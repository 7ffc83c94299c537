package gostreams

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
)

// edgeSize is how many elements an input or output of ours holds. Deliveries in it are not settled.
const edgeSize = 64

// chain is one of our stages in a go-streams graph, an operator or a sink. Chains that are fused form
// a list, which runs as one pipeline from the input of the first to the output of the last; whichever
// of them is asked then gives those two.
//
// A chain runs from when its output is asked for, or it has reached a sink. Until then elements wait
// in its input, and another can be fused to it.
type chain struct {
	opts []Option
	link link
	in   chan any
	out  *outlet // nil for a sink
	done chan struct{}
	err  error // what the run ended with; written before done is closed

	mu    sync.Mutex // guards what follows; taken upstream first
	prev  *chain
	next  *chain
	given bool // the input was asked for, so elements may arrive in it
	begun bool
}

// link is what a chain adds to a pipeline. A stream is passed as any: it is a flow.Stream of the type
// that the link before gives.
type link interface {
	// attach continues a stream of this link's input type or of any. At the head of a chain elements
	// are unwrapped.
	attach(stream any, head bool, p flow.Policy) any
	// end finishes the pipeline with this link, which is the last.
	end(stream any, c *chain, carrying *atomic.Bool) *flow.Pipeline
	// carries tells whether an element at the head carries what this link takes.
	carries(e any) bool
}

// inner is a link that another can follow.
type inner interface {
	// generalize turns a stream of this link's output type into one of any.
	generalize(stream any) flow.Stream[any]
}

func newChain(opts []Option, l link, out *outlet) *chain {
	return &chain{opts: opts, link: l, in: make(chan any, edgeSize), out: out, done: make(chan struct{})}
}

// fuse makes next the continuation of c, and reports whether that was possible. It is not when either
// has begun or is continued otherwise, or when elements may already be on their way to next.
func (c *chain) fuse(next *chain) bool {
	if c == next {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next.mu.Lock()
	defer next.mu.Unlock()
	if c.begun || c.next != nil || next.begun || next.given || next.prev != nil {
		return false
	}
	c.next, next.prev = next, c
	return true
}

func (c *chain) head() *chain {
	for {
		c.mu.Lock()
		prev := c.prev
		c.mu.Unlock()
		if prev == nil {
			return c
		}
		c = prev
	}
}

func (c *chain) tail() *chain {
	for {
		c.mu.Lock()
		next := c.next
		c.mu.Unlock()
		if next == nil {
			return c
		}
		c = next
	}
}

func (c *chain) input() chan<- any {
	h := c.head()
	h.mu.Lock()
	h.given = true
	h.mu.Unlock()
	return h.in
}

// begin starts the run of the list that ends with c, once.
func (c *chain) begin() {
	prev, first := c.seal()
	if !first {
		return
	}
	list := []*chain{c}
	for prev != nil {
		list = append(list, prev)
		prev, _ = prev.seal()
	}
	slices.Reverse(list)
	go c.run(list) // ends when the input is closed
}

// seal keeps others from being fused to c, and gives what was fused before it.
func (c *chain) seal() (prev *chain, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.begun
	c.begun = true
	return c.prev, first
}

// wait waits for the run, once it has begun.
func (c *chain) wait() error {
	t := c.tail()
	<-t.done
	return t.err
}

// failure gives the error of a run that has ended.
func (c *chain) failure() error {
	t := c.tail()
	select {
	case <-t.done:
		return t.err
	default:
		return nil
	}
}

func (c *chain) run(list []*chain) {
	defer close(c.done)
	var opts []Option
	for _, part := range list {
		opts = append(opts, part.opts...)
	}
	cfg := newConfig(opts)
	losses := &losses{tell: cfg.failed}
	p := build(list, cfg, losses)
	ctx, cancel := cfg.extended()
	err := p.Run(ctx, cfg.run...)
	cancel()
	if err != nil && cfg.cancel != nil {
		cfg.cancel(err)
	}
	if c.out != nil {
		c.out.close()
	}
	list[0].drain(cfg, losses)
	c.err = errors.Join(err, losses.err())
}

// build makes the pipeline of a list of chains.
func build(list []*chain, cfg config, l *losses) *flow.Pipeline {
	head := list[0]
	carrying := &atomic.Bool{}
	source := intake[any]{
		name: "go-streams", in: head.in, delay: cfg.delay, lost: l.add,
		admit: func(e any) (any, bool, error) {
			carries := head.link.carries(e)
			if carries && !carrying.Load() {
				carrying.Store(true)
			}
			return e, carries, nil
		},
	}
	var stream any = flow.From[any](source)
	for i, c := range list {
		policy := newConfig(c.opts).policy
		if i > 0 {
			stream = fit(list[i-1].link.(inner), c.link, stream, policy)
			continue
		}
		stream = c.link.attach(stream, true, policy)
	}
	last := list[len(list)-1]
	return last.link.end(stream, last, carrying)
}

// fit attaches a link to the one before. Where their types differ, values go by way of any.
func fit(from inner, to link, stream any, p flow.Policy) any {
	if s := to.attach(stream, false, p); s != nil {
		return s
	}
	return to.attach(from.generalize(stream), false, p)
}

// drain takes what still arrives in the input after the run has ended, so that no one upstream is
// blocked, until the input is closed. Deliveries are handed back, the others are lost.
func (c *chain) drain(cfg config, l *losses) {
	for e := range c.in {
		var held claim
		if c.link.carries(e) {
			held = claimOf(e, cfg.delay)
		}
		if held == nil {
			l.add(e, ErrEnded)
			continue
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cfg.ctx), handBackTimeout)
		if err := held.settle(ctx, stage.ErrHandedBack); err != nil {
			cfg.log.Warn("delivery not handed back, it comes again by its lease", "error", err)
		}
		cancel()
	}
}

// losses counts the elements that failed and cannot come again.
type losses struct {
	tell func(value any, err error) // nil to be counted

	mu    sync.Mutex
	count int
	first error
}

func (l *losses) add(e any, err error) {
	if l.tell != nil {
		l.tell(e, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; l.first == nil {
		l.first = err
	}
}

func (l *losses) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return nil
	}
	return &FailedError{Count: l.count, First: l.first}
}

// accept is the operator that takes a T out of an element, and fails with a [*TypeError] if there is
// none. Only at the head of a chain are deliveries opened.
func accept[T any](head bool) stage.Operator[any, T] {
	return operators.TryMap(func(_ context.Context, e any) (T, error) {
		if head {
			if v, _, ok := unwrap[T](e); ok {
				return v, nil
			}
		} else if v, ok := e.(T); ok {
			return v, nil
		}
		var zero T
		return zero, stage.Permanent(wrongType[T](e))
	})
}

// typed gives a stream of T: the stream itself, or that of any through accept; false if it is of
// another type.
func typed[T any](stream any, head bool) (flow.Stream[T], bool) {
	if s, ok := stream.(flow.Stream[T]); ok && !head {
		return s, true
	}
	if s, ok := stream.(flow.Stream[any]); ok {
		return s.Via(accept[T](head)).Named("accept"), true
	}
	return flow.Stream[T]{}, false
}
