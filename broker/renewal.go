package broker

import "time"

// The server extends what a client has received with auto_renew: for 60 s at first, again when
// 10 s are left, for ever longer, and for 3 hours in all.
const (
	renewedInvisible = int64(time.Minute / time.Millisecond)
	renewAhead       = int64(10 * time.Second / time.Millisecond)
	renewFor         = int64(3 * time.Hour / time.Millisecond)
	// abandonedAfter is when a message is visible again whose client has gone.
	abandonedAfter = int64(time.Second / time.Millisecond)
)

// A renewal extends a delivery until its client settles it, goes, or has had it for too long.
type renewal struct {
	proxy    *sessions // which extends; nil if it is from before the broker was started
	client   string
	since    int64 // Unix milliseconds
	times    int
	failures int32 // of the message, before this delivery
}

func newRenewal(p *pull, failures int32) *renewal {
	if p.renewFor == "" {
		return nil
	}
	return &renewal{proxy: p.proxy, client: p.renewFor, since: p.now, failures: failures}
}

// extend gives how long, in milliseconds, a delivery stays invisible from now on, and what extends
// it after that: nothing, if its client has gone, or has held it for too long.
func (s *subscription) extend(r *renewal, now int64) (int64, *renewal) {
	if r.proxy == nil {
		r.proxy = s.store.proxies.knowing(r.client)
	}
	switch {
	case r.proxy == nil:
		return abandonedAfter, nil
	case r.proxy.ended():
		return renewAhead, nil // the lease ends when it would have
	}
	if _, there := r.proxy.settings(r.client); !there {
		return abandonedAfter, nil
	}
	if s.lite != nil && s.store.quirks[QuirkLiteRenewal] {
		return renewAhead, nil // what is left of the first time
	}
	if now-r.since >= renewFor {
		return s.group.backoff(r.failures).Milliseconds(), nil
	}
	steps := [...]time.Duration{
		time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	}
	step := steps[min(r.times, len(steps)-1)]
	r.times++
	return step.Milliseconds(), r
}

// abandon brings back soon what a proxy extends for a client.
func (s *subscription) abandon(at *sessions, client string) {
	s.mu.Lock()
	defer s.unlock()
	now := nowMillis()
	for _, l := range s.all() {
		for _, f := range l.flights() {
			if r := f.renewing(); r != nil && (r.proxy == at || r.proxy == nil) && r.client == client {
				f.abandon(now)
			}
		}
	}
}
