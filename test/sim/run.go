package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

const consumerGroup = "group"

// inputTopics are those that inputs may be in.
var inputTopics = []string{"in-1", "in-2"}

func isInput(topic string) bool  { return strings.HasPrefix(topic, "in-") }
func isOutput(topic string) bool { return strings.HasPrefix(topic, "out-") }

// sourceOf names the stage that reads a topic.
func sourceOf(topic string) string { return "source-" + topic }

// A Report is how a world went.
type Report struct {
	Seed       uint64
	Violations []Violation
	Counts     Counts
	Trace      uint64        // of all that happened, and when
	Events     []string      // likewise, if they were to be kept
	Took       time.Duration // by the clock of the world
	Inputs     int
	Deliveries int
}

// finish gives what stores still have, by processes whose input has ended. One is enough, unless something in
// the pipeline ends it before.
func (w *world) finish(design *design) {
	if !design.Keeps {
		return
	}
	for n := 1; n == 1 || n <= maxFinishers && (design.Stops || design.Ends) && w.ledger.owed() > 0; n++ {
		name := fmt.Sprint("finisher", n)
		m := &member{w: w, name: name, design: design, last: true, dice: randpipe.NewDice(w.seed, name)}
		m.finish()
	}
}

// maxFinishers is how many processes may finish a world.
const maxFinishers = 40

// patience is how long a world may take once the storm is over.
const patience = 4 * time.Hour

// Options say how a world is run.
type Options struct {
	KeepEvents bool // for the report
	GRPC       bool // over gRPC in memory: then the seed does not decide all
}

// Run lets the world of a seed happen. It is called in a bubble of testing/synctest.
func Run(seed uint64, opts Options) *Report {
	w := newWorld(seed, opts.KeepEvents)
	d := randpipe.NewDice(seed, "world")
	w.calm = w.begun.Add(d.Between(20*time.Second, 4*time.Minute))
	for k := range Kinds {
		rates := d
		if k >= StoreFailed { // what was drawn before them stays as it is
			rates = randpipe.NewDice(seed, k.String())
		}
		if rates.Chance(40) {
			w.rates[k] = 1 + rates.IntN(60)
		}
	}
	design, feeders := w.design(d)
	w.host = w.makeHost(d, design)
	w.host.grpc = opts.GRPC
	if err := w.host.start(); err != nil {
		w.ledger.violated(Ending, "the broker does not start: %v", err)
		return w.report()
	}
	fed := make(chan struct{})
	w.goes.Go(func() {
		defer close(fed)
		w.feed(feeders)
	})
	members := []*member{}
	for range 1 + d.IntN(2) {
		members = append(members, w.join(design, len(members)+1))
	}
	members = w.storm(d, design, members)
	w.settle(fed)
	for _, m := range members {
		m.leave()
	}
	w.finish(design)
	w.goes.Wait()
	w.hangUp()
	w.ledger.audit(design.Topics)
	if err := w.host.stop().Close(); err != nil {
		w.ledger.violated(Ending, "the broker did not close: %v", err)
	}
	return w.report()
}

func (w *world) report() *Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &Report{
		Seed: w.seed, Violations: w.ledger.violations, Counts: w.counts, Trace: w.trace, Events: w.events,
		Took: time.Since(w.begun), Inputs: len(w.ledger.inputs), Deliveries: len(w.ledger.deliveries) - 1,
	}
}

// design makes the pipeline and the inputs.
func (w *world) design(d randpipe.Dice) (*design, []*feeder) {
	returns := randpipe.NewDice(w.seed, "retry topic")
	retried := returns.Chance(20)
	ordered := d.Chance(50)
	keeps, joins := 30, 40
	if retried { // which asks most of what knows values again
		keeps, joins = 60, 70
	}
	w.lease = d.Between(15*time.Second, time.Minute)
	drawn := randpipe.Draw(d, w, randpipe.Options{
		Keyed: ordered, Leased: true, Endless: true, Topics: true, Stalls: true, Returns: retried,
		Keeps:  randpipe.NewDice(w.seed, "keeps").Chance(keeps),
		Joins:  randpipe.NewDice(w.seed, "joins").Chance(joins),
		Tables: randpipe.NewDice(w.seed, "tables").Chance(20),
	})
	design := &design{Design: drawn, topics: inputTopics[:1+d.IntN(2)], ordered: ordered}
	if retried {
		design.drawRetries(returns)
	}
	w.ledger.tries = len(design.delays)
	var feeders []*feeder
	for n := range 1 + d.IntN(2) {
		f := &feeder{w: w, name: fmt.Sprint("feeder", n+1), topics: design.topics, rest: d.Between(time.Millisecond, 2*time.Second)}
		keys := 1 + d.IntN(4)
		for i := range 5 + d.IntN(40) {
			it := randpipe.Item{Src: 1000*(n+1) + i, ID: d.Uint64()}
			if ordered {
				it.Key = fmt.Sprintf("%d-%d", n, d.IntN(keys))
			}
			w.ledger.expect(it, drawn.Effects(it, sourceOf(f.topicOf(it)), len(design.topics) == 1 && !design.retries()))
			f.inputs = append(f.inputs, it)
		}
		feeders = append(feeders, f)
	}
	return design, feeders
}

func (w *world) makeHost(d randpipe.Dice, design *design) *host {
	kind := broker.Normal
	if design.ordered {
		kind = broker.FIFO
	}
	h := &host{w: w, disk: brokertest.NewDisk(), dlqs: []string{"%DLQ%" + consumerGroup}}
	slow := d.Between(10*time.Microsecond, 10*time.Millisecond) // to sync takes time, in which the machine may crash
	syncs := w.draw("syncs")
	h.disk.BeforeSync(func() {
		w.mu.Lock()
		wait := syncs.Between(time.Microsecond, slow)
		w.mu.Unlock()
		w.sleep(context.Background(), wait)
	})
	h.opts = broker.Options{
		InMemory: true, Dir: directory, CallLog: -1,
		Groups: []broker.Group{{
			Name: consumerGroup, Ordered: design.ordered, RetryMaxTimes: 3 + d.IntN(14),
			Backoff: broker.RetryPolicy{Initial: d.Between(100*time.Millisecond, 3*time.Second), Max: 20 * time.Second},
		}},
	}
	for _, topic := range inputTopics {
		h.opts.Topics = append(h.opts.Topics, broker.Topic{Name: topic, Queues: 1 + d.IntN(4), Type: kind})
	}
	for _, topic := range design.Topics {
		h.opts.Topics = append(h.opts.Topics, broker.Topic{Name: topic, Queues: 1 + d.IntN(4), Type: kind})
	}
	if design.retries() {
		h.addRetries()
	}
	return h
}

func (w *world) feed(feeders []*feeder) {
	done := make(chan struct{})
	for _, f := range feeders {
		w.goes.Go(func() {
			f.run()
			done <- struct{}{}
		})
		w.sleep(context.Background(), time.Millisecond)
	}
	for range feeders {
		<-done
	}
}

func (w *world) join(design *design, number int) *member {
	m := &member{
		w: w, name: fmt.Sprint("member", number), design: design, done: make(chan struct{}),
		dice: randpipe.NewDice(w.seed, fmt.Sprint("member", number)),
	}
	w.goes.Go(m.run)
	w.sleep(context.Background(), time.Millisecond)
	return m
}

// plague is a fault that befalls the world at a time.
type plague struct {
	at   time.Duration
	kind Kind
}

// storm lets faults befall the world until it is calm.
func (w *world) storm(d randpipe.Dice, design *design, members []*member) []*member {
	length := time.Until(w.calm)
	var plan []plague
	for _, k := range []Kind{
		TelemetryCut, ConnectionsCut, Partition, BrokerFrozen, BrokerFrozenLong, BrokerRestarted, BrokerKilled,
		BrokerCrashed, ProcessCrashed, ProcessDrained, ProcessJoined,
	} {
		if w.rates[k] == 0 {
			continue
		}
		for range 1 + d.IntN(3) {
			plan = append(plan, plague{d.Between(0, length), k})
		}
	}
	slices.SortFunc(plan, func(a, b plague) int { return cmp.Compare(a.at, b.at) })
	for _, p := range plan {
		w.sleep(context.Background(), p.at-time.Since(w.begun))
		victim := members[d.IntN(len(members))]
		switch p.kind {
		case TelemetryCut:
			if now := victim.now(); now != nil {
				now.link.cutTalks()
			}
		case ConnectionsCut:
			w.host.cut()
		case Partition:
			if now := victim.now(); now != nil {
				now.link.part(d.Between(100*time.Millisecond, 30*time.Second))
			}
		case BrokerFrozen:
			w.host.freeze(p.kind, d.Between(10*time.Millisecond, 2*time.Second))
		case BrokerFrozenLong:
			w.host.freeze(p.kind, d.Between(5*time.Second, time.Minute))
		case BrokerRestarted, BrokerKilled, BrokerCrashed:
			w.host.end(p.kind, d.Between(10*time.Millisecond, 20*time.Second), d.Uint64())
		case ProcessCrashed:
			victim.crash()
		case ProcessDrained:
			victim.drain()
		case ProcessJoined:
			if len(members) < 4 {
				w.happened(ProcessJoined, "member%d", len(members)+1)
				members = append(members, w.join(design, len(members)+1))
			}
		}
	}
	return members
}

// settle waits until all inputs are over.
func (w *world) settle(fed <-chan struct{}) {
	until := w.calm.Add(patience)
	w.sleep(context.Background(), time.Until(w.calm))
	for time.Now().Before(until) {
		w.sleep(context.Background(), 5*time.Second)
		select {
		case <-fed:
		default:
			continue
		}
		if w.host.backlog() == 0 && len(w.ledger.unfinished()) == 0 {
			return
		}
	}
	w.ledger.violated(Ending, "after %v of calm the groups have still %d to settle, and these inputs are not over: %v",
		patience, w.host.backlog(), w.ledger.unfinished())
}
