package randpipe

import (
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
)

// zipKind pairs values with the numbers of their positions, and is held to that. Where there are more of
// one than of the other, what is left over fails for ever.
func zipKind() kind {
	return kind{name: "Zip", fits: func(o Options) bool { return o.Positions && !o.Keeps }, joint: true, fansIn: true, gives: mapped, draw: func(a *artist, o *op) {
		o.n = 1 + a.IntN(80)
		if a.Chance(70) { // so that many wait for theirs
			o.age = a.Between(time.Millisecond, 200*time.Millisecond)
		}
	}, add: func(o *op, s stream) stream {
		var entered []Item
		numbers := flow.FromSeq(func(yield func(int) bool) {
			for i := 0; i < o.n && yield(i); i++ {
				if o.age > 0 {
					o.env.Sleep(o.name+" numbers", Item{Src: i}, o.age)
				}
			}
		}).Named(o.name + " numbers")
		return s.Via(watch{
			begin: func() { entered = nil },
			enter: func(it Item) { entered = append(entered, it) },
		}).Map(func(it Item) numbered { return numbered{it, len(entered) - 1} }).Zip(numbers).Named(o.name).
			Map(func(p flow.Pair[numbered, int]) Item {
				if p.Left.n != p.Right {
					o.env.Wrong("%s pairs %v, which is number %d, with %d", o.name, p.Left.Item, p.Left.n, p.Right)
				}
				return o.mapped(p.Left.Item)
			})
	}}
}

// numbered is an item with its position.
type numbered struct {
	Item
	n int
}
