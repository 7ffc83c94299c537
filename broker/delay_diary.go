package broker

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// tell appends that the message waits.
func (w waiting) tell(e events) events {
	return e.begin(eventWaiting).number(w.number).number(w.topic.id).number(int64(w.queue)).bytes(w.record)
}

// over appends that it waits no more.
func (w waiting) over(e events) events { return e.begin(eventWaited).number(w.number) }

// picture gives all that waits, and of how many have ever waited.
func (d *delays) picture() (all []waiting, of int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.slots {
		all = append(all, s.waiting...)
	}
	return all, d.added
}

// delay lets happen again what has been written down of messages that wait for their time.
func (r *recovery) delay(kind eventKind, number int64, in *eventReader) error {
	_, waits := r.waiting[number]
	switch {
	case in.err != nil:
		return in.err
	case kind == eventAdded:
		r.store.delays.added = number
		return nil
	case kind == eventWaiting && !waits:
		return r.wait(number, in)
	case kind == eventWaited && waits:
		delete(r.waiting, number)
		return nil
	}
	return fmt.Errorf("an event of kind %d of the delayed message %d", kind, number)
}

func (r *recovery) wait(number int64, in *eventReader) error {
	t, queue, err := r.find(in)
	if err != nil {
		return err
	}
	r.waiting[number] = waiting{undelivered{t, queue, bytes.Clone(in.bytes())}, number}
	r.store.delays.added = max(r.store.delays.added, number+1)
	return in.err
}

// resume lets messages wait that did so before. Those whose time has passed meanwhile come at once.
func (d *delays) resume(all map[int64]waiting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, number := range slices.Sorted(maps.Keys(all)) {
		d.putLocked(all[number])
	}
}
