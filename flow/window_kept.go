package flow

import (
	"fmt"
	"reflect"
	"time"

	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/state"
)

// KeptIn keeps the windows in a store, in tables whose names begin with name, instead of holding
// acknowledgements: a record is acknowledged when a commit has it, and the store answers for it from
// then on (see [operators.AggregateKept]). Windows may then be longer than leases, sources may order by
// key, and windows outlive the process, as far as the store does. Each windowed stage of a store has a
// name of its own. Processes of one group share windows by a store that they share.
func (w Windowed[K, T]) KeptIn(store state.Store, name string, opts ...KeepOption) Windowed[K, T] {
	k := &keeping{store: store, name: name}
	for _, opt := range opts {
		opt(k)
	}
	w.kept = k
	return w
}

// keeping is where windows, or a table, are kept. The codecs are of the types that Agg and its kin find out.
type keeping struct {
	store               state.Store
	name                string
	keys, values        any
	remember, heartbeat time.Duration
}

// KeepOption says more about windows in a store: see [Windowed.KeptIn].
type KeepOption func(*keeping)

// Remember keeps the ids of counted records for d: longer than a record can take to come again, with the
// time that all processes may be down. The default is [operators.DefaultRemember], or twice what the source
// may take, if that is longer. What comes again later than that counts twice.
func Remember(d time.Duration) KeepOption { return func(k *keeping) { k.remember = d } }

// Heartbeat says how long a process may be silent before those that share the store take over from it, and
// no longer wait for its watermark. The default is [operators.DefaultHeartbeat].
func Heartbeat(d time.Duration) KeepOption { return func(k *keeping) { k.heartbeat = d } }

// KeyCodec encodes keys otherwise than [state.Default] does.
func KeyCodec[K any](c state.Codec[K]) KeepOption { return func(k *keeping) { k.keys = c } }

// ValueCodec encodes what is made of values otherwise than [state.Default] does.
func ValueCodec[A any](c state.Codec[A]) KeepOption { return func(k *keeping) { k.values = c } }

// keptBy gives where windows of certain types are kept.
func keptBy[K comparable, A any](k *keeping) (kept operators.Kept[K, A], err error) {
	kept = operators.Kept[K, A]{Store: k.store, Name: k.name, Remember: k.remember, Heartbeat: k.heartbeat}
	var ok bool
	if kept.Keys, ok = k.keys.(state.Codec[K]); k.keys != nil && !ok {
		return kept, fmt.Errorf("KeyCodec: a %T does not encode keys of type %v", k.keys, reflect.TypeFor[K]())
	}
	if kept.Values, ok = k.values.(state.Codec[A]); k.values != nil && !ok {
		return kept, fmt.Errorf("ValueCodec: a %T does not encode aggregates of type %v", k.values, reflect.TypeFor[A]())
	}
	return kept, nil
}

// same tells whether two stages would write to the same tables.
func (k *keeping) same(other *keeping) bool {
	a, b := reflect.ValueOf(k.store), reflect.ValueOf(other.store)
	return k.name == other.name && a.IsValid() && b.IsValid() && a.Comparable() && b.Comparable() && a.Equal(b)
}

// checkKept refuses two stages with windows or tables of one name in one store.
func (c *compiler) checkKept(n *node) {
	if n.kept == nil {
		return
	}
	for _, other := range c.keeps {
		if other.identity() != n.identity() && other.kept.same(n.kept) {
			c.problems = append(c.problems, fmt.Errorf("flow: %s at %s and %s at %s keep their state under one name, %q: give each a name of its own", other.label(), other.made, n.label(), n.made, n.kept.name))
		}
	}
	c.keeps = append(c.keeps, n)
}
