package engine

import (
	"slices"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// outcomes is room for what one call of Settle is given, to be used again. There is one for each call at
// a time, and not for each read, of which there may be very many when windows hold their records.
type outcomes struct {
	list  []stage.Outcome
	plain int // how many, from the first, are still those of allDone
}

// begin gives an empty list with room for n.
func (o *outcomes) begin(n int) []stage.Outcome {
	o.plain = 0
	return slices.Grow(o.list[:0], n)
}

// allDone gives n outcomes without an error. Those of an earlier use are still there.
func (o *outcomes) allDone(n int) []stage.Outcome {
	if n > o.plain {
		list := slices.Grow(o.list[:o.plain], n-o.plain)
		for i := o.plain; i < n; i++ {
			list = append(list, stage.Outcome{Index: i})
		}
		o.list, o.plain = list, n
	}
	return o.list[:n]
}
