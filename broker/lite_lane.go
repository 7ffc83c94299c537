package broker

import v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

// What the lane of a lite topic can do beside other ordered lanes. It is called with the
// subscription locked.

// liteTopic names the lite topic, "" for none.
func (l *orderedLane) liteTopic() string {
	if l.lite == nil {
		return ""
	}
	return l.lite.name
}

// suspend hides all that is out until the given time; no delivery of it counts as an attempt.
func (l *orderedLane) suspend(until int64) {
	for _, o := range l.out {
		if l.tries[o.offset].count > 1 || !l.sub.store.quirks[QuirkLiteSuspend] {
			o.uncount()
		}
		o.visible, o.renewal = until, nil
	}
}

// reset lets the lane go on at an offset, whatever was settled or is out.
func (l *orderedLane) reset(offset int64) {
	l.base, l.out, l.attemptID = offset, nil, ""
	clear(l.settled)
	clear(l.tries)
	l.sub.due.remove(&l.deadline)
	l.touch()
}

// offsetOf gives where a client that subscribes wants the lane to go on, if anywhere else than
// where it is.
func (l *orderedLane) offsetOf(from *v2.OffsetOption) (int64, bool) {
	at := l.base
	_, end := l.queue.bounds()
	switch o := from.GetOffsetType().(type) {
	case *v2.OffsetOption_Policy_:
		switch o.Policy {
		case v2.OffsetOption_MIN:
			at = 0
		case v2.OffsetOption_MAX:
			at = end
		}
	case *v2.OffsetOption_Offset:
		if o.Offset >= 0 {
			at = min(o.Offset, end)
		}
	case *v2.OffsetOption_TailN:
		at = min(max(0, l.base-o.TailN), end)
	}
	return at, at != l.base
}
