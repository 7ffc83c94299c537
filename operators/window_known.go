package operators

import (
	"hash/maphash"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ident is what a record, or a value with an identity, is known by within a key: 128 bits of hash, so
// that two do not meet by chance.
type ident struct{ a, b uint64 }

// identities makes idents.
type identities[K comparable] struct{ a, b maphash.Seed }

func newIdentities[K comparable]() identities[K] {
	return identities[K]{maphash.MakeSeed(), maphash.MakeSeed()}
}

// name is what a value is known by: the id of its record, or else its place, and the source if they are
// unique there alone; or an identity.
type name struct {
	source, id string
	place      uint64
}

// of gives the ident for a key, a name, and the event time, by which values of one record may differ.
func (s identities[K]) of(key K, n name, at instant) ident {
	type all struct {
		key  K
		name name
		at   instant
	}
	k := all{key, n, at}
	return ident{maphash.Comparable(s.a, k), maphash.Comparable(s.b, k)}
}

// nameOf gives what a record is known by. Of one without an id nobody can tell whether it comes again: it
// is another than all others.
func nameOf(info stage.Info, d stage.Duty) name {
	if info.ID == "" {
		return name{source: info.Source, place: d.Sequence()}
	}
	return name{source: info.Source, id: info.ID}
}

// known is what is remembered of a record. Several values may come of one record, and be of one key:
// they are told apart by their order within a delivery.
type known[K comparable, A any] struct {
	delivery uint64 // the record's place in the order in which it was read; tells deliveries apart
	came     int32  // values of this delivery
	counted  int32  // the most that came of one
	first    *pane[K, A]
	more     []placed[K, A]
}

// placed is a pane that has counted a value of a record, by the value's number from 1.
type placed[K comparable, A any] struct {
	number int32
	pane   *pane[K, A]
}

// put notes that the last value that came is in a pane.
func (k *known[K, A]) put(p *pane[K, A]) {
	if k.first == nil && k.came == 1 {
		k.first = p
		return
	}
	k.more = append(k.more, placed[K, A]{k.came, p})
}

// panes adds to a list the panes that have counted the last value that came.
func (k *known[K, A]) panes(to []*pane[K, A]) []*pane[K, A] {
	if k.came == 1 && k.first != nil {
		to = append(to, k.first.resolve())
	}
	for _, m := range k.more {
		if m.number == k.came {
			to = append(to, m.pane.resolve())
		}
	}
	return to
}

// forget drops a pane, and tells whether there are others.
func (k *known[K, A]) forget(p *pane[K, A]) (left bool) {
	if k.first != nil && k.first.resolve() == p {
		k.first = nil
	}
	kept := k.more[:0]
	for _, m := range k.more {
		if m.pane.resolve() != p {
			kept = append(kept, m)
		}
	}
	clear(k.more[len(kept):])
	k.more = kept
	return k.first != nil || len(k.more) > 0
}

// recognize tells whether a value was counted before, and what is then known of its record. That is kept
// when the value has found its place, and not sooner: it may be tried again.
func (w *windower[K, T, A, O]) recognize(v *value[K, T]) {
	at := v.at
	if !w.Clock.event || w.Identify != nil {
		at = 0
	}
	var n name
	if w.Identify != nil {
		n.id = w.Identify(v.Value)
	} else {
		n = nameOf(v.info, v.Duty)
	}
	v.id = w.ids.of(v.key, n, at)
	k, ok := w.known[v.id]
	if delivery := v.Sequence(); !ok || k.delivery != delivery && w.Identify == nil {
		k.delivery, k.came = delivery, 0
	}
	if w.Identify != nil {
		k.came = 0
	}
	k.came++
	v.again = k.came <= k.counted
	k.counted = max(k.counted, k.came)
	w.about = k
}

// remember keeps what recognize found.
func (w *windower[K, T, A, O]) remember(id ident) { w.known[id] = w.about }
