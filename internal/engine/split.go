package engine

import (
	"context"
	"fmt"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// AddSplit adds a fan-out that gives each record to one branch: the one at the place in outs that
// route gives. The branches become one segment.
func AddSplit[T any](p *Plan, spec StageSpec, route func(T) int, outs []Outlet[T]) Outlet[T] {
	ways := make([]Way[routed[T]], len(outs))
	for i, out := range outs {
		ways[i] = NewWay(out, func(r routed[T]) T { return r.value })
	}
	op := routing[T]{route: route, branches: len(outs)}
	return AddOperator(p, spec, op, AddSwitch(func(r routed[T]) int { return r.branch }, ways))
}

// RouteError tells that the function of a split gave a branch that there is not.
type RouteError struct {
	// Branch is what it gave; Branches is how many there are.
	Branch, Branches int
}

// Error names the branch, and those that there are.
func (e *RouteError) Error() string {
	return fmt.Sprintf("flow: split: branch %d of %d: the function must give 0 to %d", e.Branch, e.Branches, e.Branches-1)
}

// routed is a value with the branch that it goes to.
type routed[T any] struct {
	value  T
	branch int
}

// routing finds the branch of each record. It is an operator, so that a function that panics or gives
// a branch that there is not is a failure of a stage.
type routing[T any] struct {
	route    func(T) int
	branches int
}

var _ stage.Operator[int, routed[int]] = routing[int]{}

func (o routing[T]) Describe() stage.Description {
	return stage.Description{Name: "split", Fallible: true}
}

func (o routing[T]) Start(_ stage.Runtime, next stage.Emitter[routed[T]]) (stage.Processor[T], error) {
	return &router[T]{o, next}, nil
}

type router[T any] struct {
	routing[T]
	next stage.Emitter[routed[T]]
}

var _ stage.Chunker[int, routed[int]] = (*router[int])(nil)

func (o *router[T]) Process(ctx context.Context, r stage.Record[T]) error {
	to, err := o.routed(r)
	if err != nil {
		return err
	}
	o.next.Emit(ctx, to)
	return nil
}

func (o *router[T]) ProcessChunk(_ context.Context, c *stage.Chunk[T, routed[T]]) error {
	for i := c.At; i < len(c.In); i++ {
		c.At = i
		to, err := o.routed(c.In[i])
		if err != nil {
			return err
		}
		c.Out = append(c.Out, to)
	}
	return nil
}

// routed gives the record with its branch. To try again would change nothing: the failure is permanent.
func (o *router[T]) routed(r stage.Record[T]) (stage.Record[routed[T]], error) {
	branch := o.route(r.Value)
	if branch < 0 || branch >= o.branches {
		return stage.Record[routed[T]]{}, stage.Permanent(&RouteError{branch, o.branches})
	}
	return r.With(routed[T]{r.Value, branch}), nil
}

func (o *router[T]) Drain(context.Context) error { return nil }

// Way is a branch of a switch over values of type S. What it takes on may be of another type.
type Way[S any] struct {
	lead   way[S]
	seg    *Segment
	stages []*Stage
}

// way gathers records for the end of a chunk, so that each branch gets its share in one call.
type way[S any] interface {
	emit(ctx context.Context, r stage.Record[S])
	put(r stage.Record[S])
	flush(ctx context.Context)
}

// NewWay makes a way to out, which is given what value makes of the values that go there. The function
// must not panic: there is no stage that the failure would be of.
func NewWay[S, T any](out Outlet[T], value func(S) T) Way[S] {
	return Way[S]{&lead[S, T]{value: value, next: out.next}, out.seg, out.stages}
}

// AddSwitch adds a fan-out that is no stage: pick gives the place in ways that a record goes to, and
// must give one that there is. So an operator that emits several kinds of values gives each kind its
// own stream. The ways become one segment.
func AddSwitch[S any](pick func(S) int, ways []Way[S]) Outlet[S] {
	s := &switched[S]{pick: pick}
	joined := Outlet[S]{next: s, seg: ways[0].seg}
	for _, w := range ways {
		joined.seg.fuse(w.seg)
		s.ways = append(s.ways, w.lead)
		joined.stages = append(joined.stages, w.stages...)
	}
	return joined
}

// Converted gives an outlet for what value makes into values that out takes. It is no stage; the function
// must not panic.
func Converted[S, T any](out Outlet[T], value func(S) T) Outlet[S] {
	c := &converter[S, T]{lead[S, T]{value: value, next: out.next}}
	return Outlet[S]{next: c, seg: out.seg, stages: out.stages}
}

type converter[S, T any] struct{ lead[S, T] }

func (c *converter[S, T]) Emit(ctx context.Context, r stage.Record[S]) { c.emit(ctx, r) }

func (c *converter[S, T]) EmitAll(ctx context.Context, rs []stage.Record[S]) {
	for _, r := range rs {
		c.put(r)
	}
	c.flush(ctx)
}

type switched[S any] struct {
	pick func(S) int
	ways []way[S]
}

func (s *switched[S]) Emit(ctx context.Context, r stage.Record[S]) {
	s.ways[s.pick(r.Value)].emit(ctx, r)
}

// EmitAll keeps the order of a branch, not that between branches.
func (s *switched[S]) EmitAll(ctx context.Context, rs []stage.Record[S]) {
	for _, r := range rs {
		s.ways[s.pick(r.Value)].put(r)
	}
	for _, w := range s.ways {
		w.flush(ctx)
	}
}

// lead is the way to a stage that takes values of type T.
type lead[S, T any] struct {
	value   func(S) T
	next    stage.Emitter[T]
	pending []stage.Record[T]
}

func (l *lead[S, T]) emit(ctx context.Context, r stage.Record[S]) {
	l.next.Emit(ctx, r.With(l.value(r.Value)))
}

func (l *lead[S, T]) put(r stage.Record[S]) { l.pending = append(l.pending, r.With(l.value(r.Value))) }

// flush does not clear what it sent: the values of one chunk stay alive until the next.
func (l *lead[S, T]) flush(ctx context.Context) {
	if len(l.pending) == 0 {
		return
	}
	rs := l.pending
	l.pending = l.pending[:0]
	l.next.EmitAll(ctx, rs)
}
