package sim

import (
	"cmp"
	"slices"

	"github.com/rocketflow-io/rocketflow/internal/randpipe"
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
			there := in.arrived[arrival{e.Sink, e.ID, e.Lane}] > 0
			if byID, ok := stored[e.Sink]; ok {
				there = byID[src][e.ID] > 0
			}
			if !there && !l.everExcusedLocked(in, e) {
				l.violatedLocked(Loss, "input %d has no effect %x in sink %s", src, e.ID, e.Sink)
			}
		}
	}
}

// readTopicLocked holds what is stored in a topic against what may be there: nothing unknown, no value
// more often than its writes allow, and of a message group all in order.
func (l *ledger) readTopicLocked(topic string) map[int]map[uint64]int {
	found := make(map[int]map[uint64]int)
	counts := make(map[randpipe.Place]int)
	all := l.w.host.messages(topic)
	slices.SortStableFunc(all, func(a, b storedItem) int {
		return cmp.Or(cmp.Compare(a.queue, b.queue), cmp.Compare(a.offset, b.offset))
	})
	first := make(map[laneOfKey]int) // the largest number of an input that was there already, by key and lane
	for _, m := range all {
		in, ok := l.inputs[m.Src]
		if !ok || !in.wants(topic, m.ID) {
			l.violatedLocked(Unknown, "topic %s has %x of input %d, which nothing gives", topic, m.ID, m.Src)
			continue
		}
		at := m.At(topic)
		if counts[at]++; counts[at] == l.mostLocked(at, in)+1 {
			l.violatedLocked(Duplicate, "topic %s has %x of input %d %d times of one delivery", topic, m.ID, m.Src, counts[at])
		}
		if found[m.Src] == nil {
			found[m.Src] = make(map[uint64]int)
		}
		found[m.Src][m.ID]++
		if in.Key == "" || in.putOff || in.effect(topic, m.ID).Kept() { // it is over when a store has it
			continue
		}
		lane := laneOfKey{in.Key, m.Lane}
		if found[m.Src][m.ID] == 1 && in.number < first[lane] && !l.everExcusedLocked(in, in.effect(topic, m.ID)) {
			l.violatedLocked(Order, "topic %s has %x of input %d first behind a later input of %q", topic, m.ID, m.Src, in.Key)
		}
		first[lane] = max(first[lane], in.number)
	}
	return found
}

// effect gives what is wanted of an input in a sink.
func (in *input) effect(sink string, id uint64) randpipe.Effect {
	i := slices.IndexFunc(in.wanted, func(e randpipe.Effect) bool { return e.Sink == sink && e.ID == id })
	return in.wanted[i]
}

type laneOfKey struct {
	key  string
	lane int
}

// storedItem is a value in a topic.
type storedItem struct {
	randpipe.Item
	queue  int
	offset int64
}
