package broker

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// faults are the rules that were injected, in order.
type faults struct {
	some atomic.Bool // whether there are any, so that a call without need not lock

	mu    sync.Mutex // guards what follows, and what the rules have counted
	rules []*Injected
}

// Injected is a fault at work.
type Injected struct {
	fault  Fault
	all    *faults
	since  time.Time
	random *rand.Rand

	matched, hits int // guarded by the lock of all
}

func (f *faults) add(fault Fault) *Injected {
	r := &Injected{fault: fault, all: f, since: time.Now(), random: rand.New(rand.NewPCG(fault.Seed, 0))}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
	f.some.Store(true)
	return r
}

// Remove ends the fault. Calls that it has hit already stay hit. Calling it again does nothing.
func (r *Injected) Remove() {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	r.all.rules = slices.DeleteFunc(r.all.rules, func(other *Injected) bool { return other == r })
	r.all.some.Store(len(r.all.rules) > 0)
}

// Hits tells how many calls the fault has hit.
func (r *Injected) Hits() int {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	return r.hits
}

// A verdict is what becomes of a call: nothing, or actions in order, of which the last may be final.
type verdict []Action

// judge asks the rules what becomes of a call.
func (f *faults) judge(c *Call) verdict {
	if !f.some.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var v verdict
	now := time.Now()
	for _, r := range f.rules {
		if !r.hit(c, now) {
			continue
		}
		v = append(v, r.fault.Do)
		if r.fault.Do.final() {
			break
		}
	}
	return v
}

// hit tells whether the rule hits a call, and counts it.
func (r *Injected) hit(c *Call, now time.Time) bool {
	f := &r.fault
	if !f.concerns(c) || !f.holds(now.Sub(r.since)) || f.Times > 0 && r.hits >= f.Times {
		return false
	}
	r.matched++
	n := r.matched - f.Skip // from 1
	if n < 1 || f.Every > 1 && n%f.Every != 0 {
		return false
	}
	if f.Probability > 0 && r.random.Float64() >= f.Probability {
		return false
	}
	r.hits++
	return true
}

// concerns tells whether the fault could be done to a call.
func (f *Fault) concerns(c *Call) bool {
	if (c.Command != "") != (f.On.Command != "") || c.Command != "" && !f.Do.applies(c.ToClient) {
		return false
	}
	return f.On.fits(c)
}

func (f *Fault) holds(age time.Duration) bool {
	return age >= f.From && (f.Until == 0 || age < f.Until)
}

// ends gives the final action, if there is one.
func (v verdict) ends() Action {
	if len(v) == 0 || !v[len(v)-1].final() {
		return Action{}
	}
	return v[len(v)-1]
}

// String says what was done, "" for nothing.
func (v verdict) String() string {
	text := ""
	for i, a := range v {
		if i > 0 {
			text += ", "
		}
		text += a.String()
	}
	return text
}
