package flow

import (
	"fmt"
	"time"

	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

// Dedupe drops values whose id was processed before, by marks in a store's table name which stay for
// keep: see [operators.Dedupe].
func (s Stream[T]) Dedupe(id func(T) string, store state.Store, name string, keep time.Duration) Stream[T] {
	deduped := s.Via(operators.Dedupe(id, store, name, keep))
	deduped.n.facts = []string{fmt.Sprintf("keeps marks in the table %s of a store, which all processes of a group must share", name)}
	return deduped
}
