package flow

import (
	"time"

	"github.com/rocketflow-io/rocketflow/operators"
)

// Batch groups values of one key into slices of n, or of what came within age of the first of them, and
// holds their acknowledgement until the slice is settled. It gathers for up to
// [operators.DefaultBatchKeys] keys at once: see [operators.BatchKeyed], which takes another number. B is
// inferred.
func (k Keyed[K, T]) Batch[B interface{ []T }](n int, age time.Duration) Stream[B] {
	return k.s.Via(operators.BatchKeyed[K, T, B](k.key, n, age, operators.DefaultBatchKeys))
}
