package engine

import (
	"math"
	"sync"
	"time"
)

const (
	// maxInFlight is the most records of a source in the pipeline at once, unless stages hold more.
	maxInFlight = 8192
	// maxWeight is the most bytes of a source in the pipeline at once, where its values are weighed.
	maxWeight = 256 << 20
	// minInFlight is what a source may always have in the pipeline, however slow that is.
	minInFlight = 32
)

// pace keeps a source from reading more than the pipeline can finish while the lease lasts.
type pace struct {
	lease  time.Duration // 0 if records may be held for ever
	most   int           // records in flight
	holder bool          // a stage holds any number, or what is ahead: the number in flight tells nothing
	held   int           // the most that stages may hold and wait for more
	weighs bool          // the source knows the size of its values

	mu    sync.Mutex
	since time.Time // when work last began, or was last measured; zero while nothing is in flight
	count float64   // records settled, the older the less they count
	span  float64   // seconds of work measured, likewise
}

func (p *pace) open(lease time.Duration) { p.lease, p.most = lease, maxInFlight }

// widen makes room for what stages hold, beside what is on its way to them.
func (p *pace) widen(held int) {
	p.held = max(p.held, held)
	p.most = max(p.most, min(held, math.MaxInt32/2)*2)
	p.holder = p.holder || held == math.MaxInt32
}

// margin is how much of the lease must be left for work to begin: a tenth, at most 10 s.
func (p *pace) margin() time.Duration { return min(p.lease/10, 10*time.Second) }

// lastStart gives the time after which work on records that expire then is not begun.
func (p *pace) lastStart(expires time.Time) time.Time {
	if expires.IsZero() {
		return expires
	}
	return expires.Add(-p.margin())
}

// began notes that records are in flight.
func (p *pace) began() {
	if p.lease == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.since = time.Now()
	}
}

// settled notes that n records have settled and whether others are left.
func (p *pace) settled(n int, left bool) {
	if p.lease == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.since.IsZero() {
		// What is older than an eighth of the lease fades, so that half a lease is judged by the
		// recent past. Only time in which there was work counts.
		dt := now.Sub(p.since).Seconds()
		fade := math.Exp(-dt / (p.lease.Seconds() / 8))
		p.count = p.count*fade + float64(n)
		p.span = p.span*fade + dt
	}
	p.since = now
	if !left {
		p.since = time.Time{}
	}
}

// maxBytes is the bound on what is in flight, in bytes; 0 if there is none.
func (p *pace) maxBytes() int {
	if !p.weighs || p.holder {
		return 0
	}
	return maxWeight
}

// room tells whether to read on. Bytes do not keep a stage from what it waits for: of records, as many
// are let in as for a source that does not know their size.
func (p *pace) room(inflight, bytes int) bool {
	if inflight >= p.limit() {
		return false
	}
	most := p.maxBytes()
	return most == 0 || bytes < most || inflight < 2*p.held
}

// limit is how many records may be in flight: what the measured rate finishes in half a lease.
func (p *pace) limit() int {
	if p.lease == 0 || p.holder {
		return p.most
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.span <= 0 {
		if p.count > 0 {
			return p.most
		}
		return minInFlight
	}
	n := p.count / p.span * p.lease.Seconds() / 2
	return int(min(max(n, minInFlight), float64(p.most)))
}
