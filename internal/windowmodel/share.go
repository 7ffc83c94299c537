package windowmodel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/state"
)

// Handle is the store of one process.
type Handle struct {
	Store state.Store
	// Cut cuts the process off from its store after so many more messages to it, and calls dead at that
	// moment. Where it is nil, a process dies between its calls alone.
	Cut func(messages int, dead func())
}

// Report is what happened.
type Report struct {
	Deaths, Freezes int
	Again           int // deliveries but the first
	Given, Twice    int // results, and those that were given before
	Counters        map[string]int64
}

// Add adds up reports.
func (r *Report) Add(other Report) {
	if r.Counters == nil {
		r.Counters = make(map[string]int64)
	}
	r.Deaths, r.Freezes, r.Again = r.Deaths+other.Deaths, r.Freezes+other.Freezes, r.Again+other.Again
	r.Given, r.Twice = r.Given+other.Given, r.Twice+other.Twice
	for name, n := range other.Counters {
		r.Counters[name] += n
	}
}

// Share runs the model by several processes that share windows. Some stand still for a while, longer than
// their heartbeat or not, and some die and are begun anew. It fails if the results are not what sorting and
// grouping gives. Time has to be virtual.
func (m Model) Share(ctx context.Context, processes int, open func() (Handle, error)) (Report, error) {
	s := &sharing{
		Model: m, open: open, heartbeat: 10 * time.Second,
		out: NewTable(m.Seed), late: &Late{}, report: Report{Counters: make(map[string]int64)},
	}
	r := rand.New(rand.NewPCG(m.Seed, 2))
	s.group = NewGroup(m.Events, 500*time.Millisecond, time.Duration(5+r.IntN(100))*time.Second)
	errs := make([]error, processes)
	var work sync.WaitGroup
	for i := range processes {
		work.Go(func() { errs[i] = s.lives(ctx, rand.New(rand.NewPCG(m.Seed, uint64(3+i)))) })
	}
	work.Wait()
	s.report.Again = s.group.Again()
	err := errors.Join(errs...)
	if err == nil {
		err = s.check()
	}
	return s.report, err
}

// sharing is a model that processes run together.
type sharing struct {
	Model
	open      func() (Handle, error)
	heartbeat time.Duration
	group     *Group
	out       *Table
	late      *Late

	mu     sync.Mutex
	report Report
}

// lives runs a process that is begun anew when it has died, but for its last life.
func (s *sharing) lives(ctx context.Context, r *rand.Rand) error {
	for left := r.IntN(4); ; left-- {
		over, err := s.live(ctx, r, left > 0)
		if over || err != nil {
			return err
		}
		time.Sleep(time.Duration(r.IntN(20)) * time.Second)
	}
}

// live runs a process to the end of its input, or to its death.
func (s *sharing) live(ctx context.Context, r *rand.Rand, mortal bool) (over bool, err error) {
	h, err := s.open()
	if err != nil {
		return false, err
	}
	p := &Process{Seed: r.Uint64(), Slow: time.Second}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	pipeline := s.Pipeline(s.group, p, h.Store, s.out, s.late, flow.Heartbeat(s.heartbeat))
	ended := make(chan error, 1)
	go func() { ended <- pipeline.Run(run) }()
	err, over = s.disturb(r, p, ended)
	if !over && mortal {
		err, over = wait(ended, time.Duration(5+r.IntN(90))*time.Second)
	}
	switch {
	case over:
	case mortal:
		err, over = s.die(r, p, h, cancel, ended)
	default:
		err, over = <-ended, true
	}
	st, _ := pipeline.Snapshot().Stage("window")
	s.note(func(r *Report) { r.Add(Report{Counters: maps.Clone(st.Counters)}) })
	return over, errors.Join(err, h.Store.Close())
}

// die ends the life of a process, unless it ends by itself before.
func (s *sharing) die(r *rand.Rand, p *Process, h Handle, cancel func(), ended chan error) (err error, over bool) {
	died := make(chan struct{})
	kill := sync.OnceFunc(func() { p.Kill(); close(died) })
	if h.Cut == nil {
		kill()
	} else {
		h.Cut(1+r.IntN(6), kill)
	}
	select {
	case <-died:
		cancel()
		_, _ = wait(ended, time.Hour) // whatever it says, no one hears it
	case err := <-ended:
		if p.passes() == nil {
			return err, true
		}
	}
	s.note(func(r *Report) { r.Deaths++ })
	return nil, false
}

// disturb lets a process stand still now and then.
func (s *sharing) disturb(r *rand.Rand, p *Process, ended chan error) (err error, over bool) {
	for range r.IntN(3) {
		if err, over = wait(ended, time.Duration(1000+r.IntN(60_000))*time.Millisecond); over {
			return err, true
		}
		p.Freeze()
		time.Sleep(time.Duration(1000+r.IntN(70_000)) * time.Millisecond)
		p.Thaw()
		s.note(func(r *Report) { r.Freezes++ })
	}
	return nil, false
}

// wait waits for the end, for some time.
func wait(ended chan error, d time.Duration) (err error, over bool) {
	select {
	case err = <-ended:
		return err, true
	case <-time.After(d):
		return nil, false
	}
}

func (s *sharing) note(f func(*Report)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.report)
}

// check compares what has come out with what should have.
func (s *sharing) check() (err error) {
	if left := s.group.Left(); left > 0 {
		return fmt.Errorf("windowmodel: %d events were not acknowledged", left)
	}
	s.report.Given, s.report.Twice, err = Check(s.Model, s.out, s.late)
	return err
}

// Check compares what has come out with what should have, and tells how many results there were, and how
// many had come before.
func Check(m Model, out *Table, late *Late) (given, twice int, err error) {
	if all := late.Events(); len(all) > 0 {
		return 0, 0, fmt.Errorf("windowmodel: late, and should not be: %v", all)
	}
	rows, err := out.Rows()
	if err != nil {
		return 0, 0, err
	}
	for s, want := range m.Expected() {
		if !reflect.DeepEqual(want, rows[s]) {
			return 0, 0, fmt.Errorf("windowmodel: %v has %v: want %v", s, rows[s], want)
		}
		delete(rows, s)
	}
	if len(rows) > 0 {
		return 0, 0, fmt.Errorf("windowmodel: windows that should not be: %v", rows)
	}
	return out.Revisions()
}
