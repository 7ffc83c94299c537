package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/engine"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// kept is a sink that keeps what is written.
type kept[T any] struct{ values []T }

func (k *kept[T]) Open(context.Context) (stage.Writer[T], error) { return k, nil }

func (k *kept[T]) Write(_ context.Context, b stage.Batch[T]) error {
	k.values = append(k.values, b.Values...)
	return nil
}

func (k *kept[T]) Close(context.Context) error { return nil }

// either is a value of one of two types.
type either struct {
	isText bool
	text   string
	number int
}

// An operator that emits several kinds of values gives each kind a stream of its own.
func TestSwitch_GivesEachKindOfValueItsOwnStage(t *testing.T) {
	both := func(v int) []either {
		return []either{{isText: true, text: fmt.Sprint(v)}, {number: 10 * v}, {isText: true, text: "and"}}
	}
	for name, src := range map[string]*sources.Memory[int]{
		"many at a time": sources.Values(1, 2).Recorded(),
		"one by one":     sources.Values(1, 2).Keyed(func(int) string { return "key" }).Redeliver(0, nil),
	} {
		t.Run(name, func(t *testing.T) {
			var texts kept[string]
			var numbers kept[int]
			p := engine.NewPlan(engine.Config{})
			outs := []engine.Way[either]{
				engine.NewWay(engine.AddSink(p, engine.StageSpec{Name: "texts"}, &texts, engine.SinkOptions{}), func(e either) string { return e.text }),
				engine.NewWay(engine.AddSink(p, engine.StageSpec{Name: "numbers"}, &numbers, engine.SinkOptions{}), func(e either) int { return e.number }),
			}
			pick := func(e either) int {
				if e.isText {
					return 0
				}
				return 1
			}
			in := engine.AddOperator(p, engine.StageSpec{Name: "both"}, operators.FlatMap(both), engine.AddSwitch(pick, outs))
			engine.AddSource(p, engine.StageSpec{Name: "in"}, src, in)
			require.NoError(t, p.Check())
			require.NoError(t, p.Run().Do(t.Context(), nil))
			require.Equal(t, []string{"1", "and", "2", "and"}, texts.values)
			require.Equal(t, []int{10, 20}, numbers.values)
			for _, o := range src.Outcomes() {
				require.True(t, o.Done)
			}
		})
	}
}
