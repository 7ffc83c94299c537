package windowmodel

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// errNotHeld is the answer to an outcome that comes when the lease is over.
var errNotHeld = errors.New("windowmodel: the event is not held any more")

// Group is a queue of events for the members of a group, as RocketMQ has it: each event goes to whichever
// member asks, and to whichever asks next when it has failed, or its lease is over.
type Group struct {
	lease, every time.Duration
	begun        time.Time

	mu     sync.Mutex
	events []queued
	left   int // that are not done
	again  int // deliveries but the first of an event
}

type queued struct {
	Event
	attempts int
	held     *delivery // nil if it waits
	ready    time.Time
	done     bool
}

// NewGroup gives one event after the other to whoever asks, each a while after the one before.
func NewGroup(events []Event, every, lease time.Duration) *Group {
	g := &Group{lease: lease, every: every, begun: time.Now(), left: len(events)}
	for i, e := range events {
		g.events = append(g.events, queued{Event: e, ready: g.begun.Add(time.Duration(i) * every)})
	}
	return g
}

// Left gives how many events are not done.
func (g *Group) Left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left
}

// Again gives how many deliveries there were but the first of each event.
func (g *Group) Again() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.again
}

// Member is the source of a process.
func (g *Group) Member(p *Process) stage.Source[Event] { return member{g, p} }

type member struct {
	g *Group
	p *Process
}

// SourceTraits says that events come again: one may have several leases before it comes to a member that
// neither dies nor stands still.
func (m member) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{
		Name: "group", Lease: m.g.lease, Redelivers: true, Redelivery: 4 * m.g.lease, UniqueIDs: true, Partitioned: true,
	}
}

// Open joins the group.
func (m member) Open(context.Context) (stage.Reader[Event], error) { return m, nil }

// Close leaves it. What the member has not settled comes again when its lease is over.
func (member) Close(context.Context) error { return nil }

// pollEvery is how long a member waits before it asks again.
const pollEvery = 500 * time.Millisecond

// readSize is how many events a member gets at most.
const readSize = 3

// Read waits for events until all are done.
func (m member) Read(ctx context.Context) (stage.Batch[Event], error) {
	for {
		if err := m.p.passes(); err != nil {
			return stage.Batch[Event]{}, stage.Permanent(err)
		}
		d, ended := m.g.take(m.p)
		if d != nil {
			// It may stand still with what it has got.
			return d.batch(), errors.Join(m.p.passes(), ctx.Err())
		}
		if ended {
			return stage.Batch[Event]{}, io.EOF
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return stage.Batch[Event]{}, ctx.Err()
		}
	}
}

// take gives a member events that wait; nil if none do.
func (g *Group) take(p *Process) (d *delivery, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	d = &delivery{g: g, p: p, expires: now.Add(g.lease)}
	for i := range g.events {
		e := &g.events[i]
		over := e.held != nil && !now.Before(e.held.expires)
		if e.done || e.held != nil && !over || e.ready.After(now) {
			continue
		}
		if e.attempts++; e.attempts > 1 {
			g.again++
		}
		e.held = d
		d.events = append(d.events, i)
		d.values = append(d.values, e.Event)
		d.infos = append(d.infos, stage.Info{ID: strconv.Itoa(e.Number), Attempt: e.attempts, Partition: e.Part, EventTime: e.When()})
		if len(d.events) == readSize {
			break
		}
	}
	if len(d.events) == 0 {
		return nil, g.left == 0
	}
	return d, false
}

// delivery is what a member got at once.
type delivery struct {
	g       *Group
	p       *Process
	expires time.Time
	events  []int
	values  []Event
	infos   []stage.Info
}

func (d *delivery) batch() stage.Batch[Event] {
	return stage.Batch[Event]{
		Values: d.values, Info: func(i int) stage.Info { return d.infos[i] }, Settler: d, Expires: d.expires,
	}
}

// failedFor is how long an event waits that has failed.
const failedFor = 3 * time.Second

// Settle takes outcomes of events that are still held.
func (d *delivery) Settle(_ context.Context, outcomes []stage.Outcome) error {
	if err := d.p.passes(); err != nil {
		return err
	}
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	lost := make(map[int]error)
	now := time.Now()
	for _, o := range outcomes {
		e := &d.g.events[d.events[o.Index]]
		if e.held != d || !now.Before(d.expires) {
			lost[o.Index] = errNotHeld
			continue
		}
		e.held = nil
		switch {
		case o.Err == nil:
			e.done = true
			d.g.left--
		case errors.Is(o.Err, stage.ErrHandedBack):
			// The attempt counts, as in an ordered group of RocketMQ: an event that comes as if for the first
			// time can be late.
		default:
			e.ready = now.Add(failedFor)
		}
	}
	if len(lost) > 0 {
		return &stage.BatchError{Failed: lost}
	}
	return nil
}
