package flow

import (
	"context"

	"github.com/rocketflow-io/rocketflow/operators"
)

// ParMap turns each value into another on n goroutines, values of one key one at a time and in order: see
// [operators.ParMapKeyed].
func (k Keyed[K, T]) ParMap[R any](n int, f func(context.Context, T) (R, error)) Stream[R] {
	return k.s.Via(operators.ParMapKeyed(n, k.key, f))
}
