package flow

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/internal/engine"
)

// Async parts the stages before it from those behind it: they work at the same time, on goroutines of
// their own. In between is an edge with room for [DefaultEdgeRecords].
//
//	in   --a-b-c-----------|
//	         behind, a takes long
//	out  --a-----------b-c-|
//
// What it promises:
//   - Emits: each value.
//   - Order: kept.
//   - Holds: nothing back: what is on the edge goes on as soon as the stages behind are free. A record
//     that they are idle for goes at once; while they are busy, many go together. When there is no more
//     room, the stages before wait.
//   - Settles: nothing; the duty goes on (rule 2).
//   - Drain: waits until the edge is empty. When the drain must end, what is on it is handed back.
//   - Fails: never by itself.
//
// Stages without it share a goroutine, at no cost between them. It pays where the stages on both sides
// have much to do; operators that work on goroutines of their own, such as ParMap, need none.
func (s Stream[T]) Async() Stream[T] { return s.async(engine.EdgeOptions[T]{}) }

// AsyncBy is [Stream.Async] with room for so many records (0 means [DefaultEdgeRecords]) and, as size
// measures the values, bytes (0 means any number). A value that is larger than that has the edge for
// itself.
func (s Stream[T]) AsyncBy(records, bytes int, size func(T) int) Stream[T] {
	return s.async(engine.EdgeOptions[T]{Records: records, Bytes: bytes, Size: size})
}

// DefaultEdgeRecords is how many records there is room for between two goroutines.
const DefaultEdgeRecords = engine.DefaultEdgeRecords

func (s Stream[T]) async(opts engine.EdgeOptions[T]) Stream[T] {
	n := newNode(kindEdge, "async", s.n)
	n.problem = problemOf(opts)
	n.room = fmt.Sprintf("room for %d records", cmp.Or(opts.Records, DefaultEdgeRecords))
	if opts.Bytes > 0 {
		n.room += fmt.Sprintf(" of %d bytes", opts.Bytes)
	}
	return Stream[T]{n, func(c *compiler, n *node, out engine.Outlet[T]) {
		follow(c, n, s, engine.AddEdge(c.plan, c.spec(n), opts, out))
	}}
}

func problemOf[T any](opts engine.EdgeOptions[T]) error {
	switch {
	case opts.Records < 0 || opts.Bytes < 0:
		return fmt.Errorf("room for %d records of %d bytes: neither may be negative", opts.Records, opts.Bytes)
	case opts.Bytes > 0 && opts.Size == nil:
		return errors.New("room is bounded in bytes, but there is no function that measures a value: give it one")
	}
	return nil
}
