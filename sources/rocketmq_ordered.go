package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ordered keeps the order of message groups of a FIFO group. A message that failed waits here for its
// backoff, under the lease that it has, with those of its message group that were handed back behind
// it. Were they given back to the server instead, it would count an attempt of each, and move to the
// dead letters messages that nobody ever tried. Only what the lease is too short for goes back.
type ordered struct {
	*buffer   // whose lock guards what follows
	acks      *acker
	invisible time.Duration
	log       *slog.Logger
	lanes     map[string]*lane // with messages out or waiting
	arrived   uint64           // messages so far
}

// lane is one message group.
type lane struct {
	out     []*held
	waiting []*held // in the order of the queue
	ready   time.Time
	blocked bool // messages are still out that come again, or have: nothing may overtake them
	leaving bool // what of it is not done goes back to the server
}

// held is a message of a lane.
type held struct {
	*client.Delivery
	number   uint64 // in the order of arrival; equal for some that came again
	failures int    // under this lease
	out      bool   // guarded by ordered
}

// find gives the index of a message that waits; -1 if it does not.
func (l *lane) find(d *client.Delivery) int {
	return slices.IndexFunc(l.waiting, func(h *held) bool { return same(h.Delivery, d) })
}

// same tells whether two deliveries are of one message. Its id does not tell: a message that was sent
// twice, since no answer came, is stored as two of one id.
func same(a, b *client.Delivery) bool {
	return a.ID == b.ID && a.QueueOffset == b.QueueOffset && a.QueueID == b.QueueID && a.Broker == b.Broker
}

func newOrdered(a *acker, cfg *rocketMQConfig) *ordered {
	return &ordered{
		buffer: newBuffer(maxPoll, DefaultPrefetchBytes),
		acks:   a, invisible: cfg.invisible, log: cfg.log,
		lanes: make(map[string]*lane),
	}
}

// laneOf gives the key of a message's lane; without a message group it has one of its own.
func laneOf(m *client.Message) string {
	if m.MessageGroup == "" {
		return "\x00" + m.ID // no message group has a control character
	}
	return m.MessageGroup
}

// next waits for messages that may be handed out.
func (o *ordered) next(ctx context.Context) ([]*held, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		got, ready := o.takeLocked(time.Now())
		switch {
		case len(got) > 0:
			return got, nil
		case o.err != nil && len(o.lanes) == 0:
			return nil, o.err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		o.waitLocked(ctx, ready)
	}
}

// waitLocked waits until something changes, ready is reached or ctx ends.
func (o *ordered) waitLocked(ctx context.Context, ready time.Time) {
	if !ready.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, ready)
		defer cancel()
	}
	changed := false
	o.wait(ctx, func() bool {
		woken := changed
		changed = true
		return woken
	})
}

// takeLocked gives what may be handed out: of lanes with nothing out, and what is new. Else it says
// when a lane is ready, if one waits for nothing but time.
func (o *ordered) takeLocked(now time.Time) (got []*held, ready time.Time) {
	for _, d := range o.waiting {
		o.arriveLocked(d)
	}
	o.bytes, o.waiting = 0, nil
	o.changed.Broadcast() // there is room again
	for _, l := range o.lanes {
		switch {
		case l.blocked || len(l.waiting) == 0:
		case l.ready.After(now):
			ready = earlier(ready, l.ready)
		default:
			l.out = append(l.out, l.waiting...)
			for _, h := range l.waiting {
				h.out = true
			}
			got = append(got, l.waiting...)
			l.waiting, l.ready = nil, time.Time{}
		}
	}
	slices.SortStableFunc(got, func(a, b *held) int { return cmp.Compare(a.number, b.number) })
	return got, ready
}

// arriveLocked lines a message up behind what waits of its lane. One that waits already has lost its
// lease, and goes on under the new one. One that is out has lost it too: the lane begins anew with
// it, but not before what is out of it has come to an end, lest that mixes with what follows.
func (o *ordered) arriveLocked(d *client.Delivery) {
	key := laneOf(d.Message)
	l := o.lanes[key]
	if l == nil {
		l = &lane{}
		o.lanes[key] = l
	}
	if i := l.find(d); i >= 0 {
		l.waiting[i].Delivery, l.waiting[i].failures = d, 0
		return
	}
	l.blocked = l.blocked || slices.ContainsFunc(l.out, func(h *held) bool { return same(h.Delivery, d) })
	o.arrived++
	l.line(&held{Delivery: d, number: o.arrived})
}

// line lines a message up where the queue has it: one that comes again stands before what waits behind
// it from before. Numbers follow the line.
func (l *lane) line(h *held) {
	i := slices.IndexFunc(l.waiting, h.before)
	if i < 0 {
		i = len(l.waiting)
	}
	if i > 0 {
		h.number = max(h.number, l.waiting[i-1].number)
	}
	if i < len(l.waiting) {
		h.number = min(h.number, l.waiting[i].number)
	}
	l.waiting = slices.Insert(l.waiting, i, h)
}

// before tells whether a message stands before another of its lane.
func (h *held) before(other *held) bool {
	if h.Broker == other.Broker && h.QueueID == other.QueueID {
		return h.QueueOffset < other.QueueOffset
	}
	return h.number < other.number
}

// give is a message on its way back to the server, which is to deliver it again after a time.
type give struct {
	*client.Delivery
	after time.Duration
}

// over ends the holding of a message: it is done, or with the dead letters.
func (o *ordered) over(h *held, failed bool) []give {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !h.out {
		return nil // a second outcome changes nothing
	}
	l := o.lanes[laneOf(h.Message)]
	l.blocked = l.blocked || failed
	return o.endLocked(l, h)
}

// back lines a message up to be handed out again after a time, and its lane with it. If less than half
// of a lease would then be left for the pipeline's work, the lane goes back to the server.
func (o *ordered) back(h *held, after time.Duration) []give {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !h.out {
		return nil
	}
	l := o.lanes[laneOf(h.Message)]
	l.blocked = true
	if l.find(h.Delivery) >= 0 {
		return o.endLocked(l, h) // its lease has ended, and it came again
	}
	if time.Until(h.Expires()) < after+o.invisible/2 {
		l.leaving = true
	}
	if l.leaving {
		return append(o.endLocked(l, h), give{h.Delivery, after})
	}
	l.line(h)
	if ready := time.Now().Add(after); ready.After(l.ready) {
		l.ready = ready
	}
	return o.endLocked(l, h)
}

// endLocked counts a message of the lane as not out any more. When none is out, the lane goes on; one
// that leaves gives up what waits.
func (o *ordered) endLocked(l *lane, h *held) (leaving []give) {
	h.out = false
	if l.leaving {
		for _, w := range l.waiting {
			leaving = append(leaving, give{w.Delivery, 0})
		}
		l.waiting = nil
	}
	l.out = slices.DeleteFunc(l.out, func(other *held) bool { return other == h })
	if len(l.out) == 0 {
		l.blocked, l.leaving = false, false
		if len(l.waiting) == 0 {
			delete(o.lanes, laneOf(h.Message))
		}
		o.changed.Broadcast()
	}
	return leaving
}

// rest empties the lanes.
func (o *ordered) rest() (all []*client.Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lanes {
		for _, h := range l.waiting {
			all = append(all, h.Delivery)
		}
	}
	clear(o.lanes)
	return all
}

// orderedReceipts is the messages of one read of a FIFO group.
type orderedReceipts struct {
	receipts
	order *ordered
	held  []*held
}

var _ stage.Settler = (*orderedReceipts)(nil)

func newOrderedReceipts(o *ordered, got []*held) stage.Batch[*client.Message] {
	r := &orderedReceipts{receipts: receipts{acks: o.acks}, order: o, held: got}
	failures, positions := make([]int, len(got)), make([]string, len(got))
	for i, h := range got {
		r.deliveries = append(r.deliveries, h.Delivery)
		failures[i] = h.failures
		positions[i] = fmt.Sprintf("message %s at %d in queue %d of %s", h.ID, h.QueueOffset, h.QueueID, h.Broker)
	}
	b := r.batch(o.invisible)
	b.Settler = r
	b.Info = func(i int) stage.Info {
		info := r.info(i)
		info.Attempt += failures[i]
		info.Position = positions[i]
		return info
	}
	return b
}

// Settle acknowledges what is done before it lets a lane go on. A [*stage.BatchError] names the
// outcomes that may be lost.
func (r *orderedReceipts) Settle(ctx context.Context, outcomes []stage.Outcome) error {
	var done []*client.Delivery
	for _, o := range outcomes {
		if o.Err == nil {
			done = append(done, r.deliveries[o.Index])
		}
	}
	l := r.acks.ack(ctx, done)
	var leaving []give
	for _, o := range outcomes {
		h := r.held[o.Index]
		switch {
		case o.Err == nil:
			leaving = append(leaving, r.order.over(h, false)...)
		case errors.Is(o.Err, stage.ErrHandedBack):
			leaving = append(leaving, r.order.back(h, 0)...)
		default:
			g, err := r.failed(ctx, h)
			leaving = append(leaving, g...)
			l.add(r.deliveries[o.Index], err) // h waits again, and may be another delivery already
		}
	}
	for _, g := range leaving {
		err := r.acks.giveBack(ctx, g)
		if err != nil && !slices.Contains(r.deliveries, g.Delivery) {
			r.order.log.WarnContext(ctx, "message of an earlier read not handed back, it comes again when its lease ends",
				"message", g.ID, "error", err)
		}
		l.add(g.Delivery, err)
	}
	return r.named(l)
}

// failed counts the failure, and moves the message to the dead letters when there are as many as the
// group allows. If it does not get there it waits like any that failed: were it over, those behind it
// would be done before it comes again (rule 8).
func (r *orderedReceipts) failed(ctx context.Context, h *held) ([]give, error) {
	n := r.acks.failed(h.Delivery)
	var err error
	if most := r.acks.settings.MaxAttempts; most > 0 && n >= most {
		if err = r.acks.bury(ctx, h.Delivery); err == nil {
			return r.order.over(h, true), nil
		}
	}
	h.failures++
	return r.order.back(h, min(r.acks.settings.Backoff.Delay(n), maxInvisible)), err
}
