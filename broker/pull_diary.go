package broker

import "fmt"

// tell appends that a group has come so far.
func (p pullPosition) tell(e events, offset int64) events {
	return e.begin(eventPulled).number(p.topic.id).number(int64(p.queue)).bytes([]byte(p.group)).number(offset)
}

// whole gives what makes all as it is now.
func (o *pullOffsets) whole() (e events) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at, offset := range o.by {
		e = at.tell(e, offset)
	}
	return e
}

// pulled lets happen again what a group that pulls has told.
func (r *recovery) pulled(in *eventReader) error {
	t, queue, err := r.find(in)
	if err != nil {
		return err
	}
	group, offset := string(in.bytes()), in.number()
	if _, ok := r.store.groups[group]; in.err == nil && !ok {
		return fmt.Errorf("there is no group %q that pulls", group)
	}
	r.store.pullOffsets.by[pullPosition{group, t, queue}] = offset
	return in.err
}
