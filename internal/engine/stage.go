package engine

import (
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Kind tells sources, operators and sinks apart.
type Kind string

// The kinds of stage.
const (
	KindSource   Kind = "source"
	KindOperator Kind = "operator"
	KindSink     Kind = "sink"
)

// Stage is what all kinds of stage have in common: a name, counters, a policy, and the count of
// records that wait in it. Nothing generic embeds one: the methods it would have by that are compiled for
// each type of records.
type Stage struct {
	Name string
	Kind Kind
	Desc stage.Description

	holds     bool          // records may be held for others,
	holdsFor  time.Duration // for so long; 0 if there is no bound in time,
	holdsMost int           // and so many; 0 if there is no bound in number

	frees int // records leave without a duty to their source, at most so many at a time; 0 if they do not

	run    *Run
	seg    *Segment
	policy *Policy
	next   []*Stage // downstream neighbours
	log    *slog.Logger

	in        int64          // records taken; written under the segment's lock
	inSeen    atomic.Int64   // in, as of the last stretch of work
	keyed     bool           // a keyed source is upstream; set before the first record
	immediate bool           // a sink that is written to by who feeds it
	leased    bool           // records may expire; likewise
	upstream  stage.Upstream // likewise; what lies above, of sources that are learned
	learned   bool
	retrying  retryQueue
	detour    atomic.Bool // records must pass admit: the stage is keyed, or the run stops hard
	errors    atomic.Int64
	retries   atomic.Int64
	panics    atomic.Int64
	skipped   atomic.Int64
	dead      atomic.Int64
	later     atomic.Int64 // to a retry topic
	nacked    atomic.Int64
	back      atomic.Int64 // handed back unprocessed
	expired   atomic.Int64
	settled   atomic.Int64 // sinks: values written
	counters  counters
	gauges    gauges
	edgeStats func() EdgeStats // of edges; under mu, once the plan is made
	mark      func()           // of edges: counts what is on it with what waits for another try

	mu      sync.Mutex
	waiting int // records that wait for a retry, their key, a write or an asynchronous function
	idle    chan struct{}
}

var _ stage.Scope = (*Stage)(nil)

// Logger logs with the stage's name.
func (s *Stage) Logger() *slog.Logger { return s.log }

// Count adds to a counter of the stage.
func (s *Stage) Count(name string, n int64) { s.counters.add(name, n) }

// measured gives what is on the edge of a stage that has one.
func (s *Stage) measured(edge func() EdgeStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edgeStats = edge
}

// safely calls a function of the user; a panic is an error.
func (s *Stage) safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(p)
		}
	}()
	return f()
}

// expect prepares the stage for the records of a source.
func (s *Stage) expect(traits stage.SourceTraits) {
	if traits.Keyed {
		s.keyed = true
		s.detour.Store(true)
	}
	if traits.Lease > 0 {
		s.leased = true
	}
}

// mayWait tells whether records may wait in the stage, or its function for something else.
func (s *Stage) mayWait() bool {
	return s.Desc.Async || s.Desc.Fallible || s.Kind == KindSink && !s.immediate
}

// publish makes the counters that are written under the lock readable without it.
func (s *Stage) publish() {
	if s.in != s.inSeen.Load() {
		s.inSeen.Store(s.in)
	}
}

// hold counts n records, possibly negative, that wait in the stage.
func (s *Stage) hold(n int) {
	s.mu.Lock()
	s.waiting += n
	if s.waiting == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
	s.mu.Unlock()
}

// untilIdle gives a channel that is closed when nothing waits in the stage; nil if nothing does.
func (s *Stage) untilIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}

// counters are those that an operator names itself.
type counters struct {
	mu sync.Mutex
	m  map[string]int64
}

func (c *counters) add(name string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]int64)
	}
	c.m[name] += n
}

// copy gives the counters as they are now; nil if there are none.
func (c *counters) copy() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.m)
}

// gauges are what an operator has a snapshot read.
type gauges struct {
	mu sync.Mutex
	m  map[string]func() int64
}

func (g *gauges) add(name string, read func() int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m == nil {
		g.m = make(map[string]func() int64)
	}
	g.m[name] = read
}

// read gives what the gauges read now; nil if there are none.
func (g *gauges) read() map[string]int64 {
	g.mu.Lock()
	all := maps.Clone(g.m)
	g.mu.Unlock()
	if all == nil {
		return nil
	}
	values := make(map[string]int64, len(all))
	for name, read := range all {
		values[name] = read()
	}
	return values
}
