package sim

import (
	"cmp"
	"slices"
)

// audit holds the end of a world against the ledger: what the broker stores in the topics of sinks, and
// what is missing.
func (l *ledger) audit(outs []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored := make(map[string]map[int]map[uint64]int) // by topic, input and id
	for _, topic := range outs {
		stored[topic] = l.readTopicLocked(topic)
	}
	sources := make([]int, 0, len(l.inputs))
	for src := range l.inputs {
		sources = append(sources, src)
	}
	slices.Sort(sources)
	for _, src := range sources {
		in := l.inputs[src]
		if !in.stored {
			l.violatedLocked(Ending, "input %d was never stored", src)
		}
		if l.w.host.buried(src) {
			continue
		}
		for _, e := range in.wanted {
			there := in.arrived[arrival{e.sink, e.id, e.lane}] > 0
			if byID, ok := stored[e.sink]; ok {
				there = byID[src][e.id] > 0
			}
			if !there && !l.everExcusedLocked(in, e) {
				l.violatedLocked(Loss, "input %d has no effect %x in sink %s", src, e.id, e.sink)
			}
		}
	}
}

// readTopicLocked holds what is stored in a topic against what may be there: nothing unknown, no value
// more often than its writes allow, and of a message group all in order.
func (l *ledger) readTopicLocked(topic string) map[int]map[uint64]int {
	found := make(map[int]map[uint64]int)
	counts := make(map[place]int)
	all := l.w.host.messages(topic)
	slices.SortStableFunc(all, func(a, b storedItem) int {
		return cmp.Or(cmp.Compare(a.queue, b.queue), cmp.Compare(a.offset, b.offset))
	})
	first := make(map[laneOfKey]int) // the largest number of an input that was there already, by key and lane
	for _, m := range all {
		in, ok := l.inputs[m.src]
		if !ok || !in.wants(topic, m.id) {
			l.violatedLocked(Unknown, "topic %s has %x of input %d, which nothing gives", topic, m.id, m.src)
			continue
		}
		at := place{topic, m.delivery, m.id}
		if counts[at]++; counts[at] == in.times(topic, m.id)+l.unclear[at]+1 {
			l.violatedLocked(Duplicate, "topic %s has %x of input %d %d times of one delivery", topic, m.id, m.src, counts[at])
		}
		if found[m.src] == nil {
			found[m.src] = make(map[uint64]int)
		}
		found[m.src][m.id]++
		if in.key == "" {
			continue
		}
		lane := laneOfKey{in.key, m.lane}
		if found[m.src][m.id] == 1 && in.number < first[lane] && !l.everExcusedLocked(in, in.effect(topic, m.id)) {
			l.violatedLocked(Order, "topic %s has %x of input %d first behind a later input of %q", topic, m.id, m.src, in.key)
		}
		first[lane] = max(first[lane], in.number)
	}
	return found
}

// effect gives what is wanted of an input in a sink.
func (in *input) effect(sink string, id uint64) effect {
	i := slices.IndexFunc(in.wanted, func(e effect) bool { return e.sink == sink && e.id == id })
	return in.wanted[i]
}

type laneOfKey struct {
	key  string
	lane int
}

// storedItem is a value in a topic.
type storedItem struct {
	item
	queue  int
	offset int64
}
