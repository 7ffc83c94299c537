package operators

// excuse lets a record that failed here, through no fault of its own, not be late by that.
func (p *keeper[K, T, A, O]) excuse(v *keptValue[K, T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.excused) >= keptPlacesMost {
		clear(p.excused)
	}
	p.excused[v.Sequence()] = struct{}{}
}

// noticeSilence notes that this process has told nothing for a heartbeat, as when it stood still: others
// that share the store have not waited for its watermark. What it took before that may come to be counted
// only now, and for as long again. It tells whether that is news.
func (p *keeper[K, T, A, O]) noticeSilence() bool {
	now := p.rt.Now()
	told := p.begun
	if p.seat.told.After(told) {
		told = p.seat.told
	}
	if now.Sub(told) < p.kept.Heartbeat {
		return false
	}
	known := now.Before(p.lenient)
	p.lenient = now.Add(p.kept.Heartbeat)
	return !known
}

// excuseSilence lets values not be late by a silence of this process.
func (p *keeper[K, T, A, O]) excuseSilence(values []*keptValue[K, T]) {
	if p.past.grace == 0 || !p.rt.Now().Before(p.lenient) {
		return
	}
	for _, v := range values {
		v.info.Attempt = max(v.info.Attempt, 2)
	}
}
