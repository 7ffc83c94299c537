package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sources"
)

// A design is what all processes run.
type design struct {
	*randpipe.Design
	topics  []string // of the inputs
	ordered bool
	delays  []time.Duration // of the retry topic; none for no such topic
}

// A member is a place in the group: one process after the other.
type member struct {
	w      *world
	name   string
	design *design
	dice   randpipe.Dice
	last   bool // nothing comes in: what stores have is to be finished

	mu      sync.Mutex // guards what follows
	present *process
	over    bool // no other process follows
	done    chan struct{}
}

// A process is a client with a pipeline, from its start to its end.
type process struct {
	w      *world
	name   string
	link   *link
	client *client.Client
	dead   atomic.Bool

	cancel   context.CancelFunc // begins the drain
	cut      context.CancelFunc // cuts it short
	drain    time.Duration      // what the drain is given
	hard     bool               // the drain may be cut short
	finished chan struct{}
}

func (p *process) isDead() bool { return p.dead.Load() }

// run lets one process follow the other until the member is over.
func (m *member) run() {
	defer close(m.done)
	for life := 1; ; life++ {
		p, ok := m.start(life)
		if !ok {
			return
		}
		<-p.finished
		m.mu.Lock()
		over := m.over
		m.mu.Unlock()
		if over {
			return
		}
		m.w.sleep(context.Background(), m.dice.Between(10*time.Millisecond, 3*time.Second))
	}
}

// start starts a process, unless the member is over.
func (m *member) start(life int) (*process, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return nil, false
	}
	p := &process{w: m.w, name: fmt.Sprintf("%s.%d", m.name, life), finished: make(chan struct{})}
	p.link = newLink(m.w, p.name)
	c, err := client.New("broker:8081", client.WithConnect(p.link.connect))
	if err != nil {
		m.w.ledger.violated(Ending, "%s: %v", p.name, err)
		m.over = true
		return nil, false
	}
	p.client = c
	ctx, cancel := context.WithCancel(context.Background())
	cutCtx, cut := context.WithCancel(context.Background())
	p.cancel, p.cut, p.drain = cancel, cut, m.dice.Between(20*time.Minute, 40*time.Minute)
	switch m.dice.IntN(3) {
	case 0:
		p.hard, p.drain = true, m.dice.Between(0, 2*time.Second)
	case 1:
		p.hard = true // by cut
	}
	m.present = p
	m.w.note("%s starts", p.name)
	m.w.goes.Go(func() {
		defer cancel()
		defer cut()
		m.live(ctx, cutCtx, p)
	})
	return p, true
}

// live is the life of a process.
func (m *member) live(ctx, cut context.Context, p *process) {
	defer close(p.finished)
	pipeline := m.pipeline(p)
	opts := []flow.RunOption{flow.WithDrainTimeout(p.drain), flow.WithCut(cut)}
	if m.design.Keeps && m.w.seed%2 == 0 { // few records are enough then to be made up while a commit is under way
		opts = append(opts, flow.WithProbe(&flow.Probe{}))
	}
	err := pipeline.Run(ctx, opts...)
	m.judge(ctx, p, err, pipeline.Snapshot())
	if err := p.client.Close(); err != nil && !p.isDead() {
		m.w.note("%s closes: %v", p.name, err)
	}
	m.w.note("%s has ended: %v", p.name, err)
}

// pipeline makes what the process runs.
func (m *member) pipeline(p *process) *flow.Pipeline {
	if m.last {
		return m.design.Build(flow.FromSeq(func(func(randpipe.Item) bool) {}), outfit{m.w, p, m.design})
	}
	var streams []flow.Stream[randpipe.Item]
	for _, topic := range m.design.topics {
		src := sources.RocketMQ(p.client, topic, consumerGroup, sources.WithInvisible(m.w.lease))
		streams = append(streams, m.read(src, topic))
	}
	if m.design.retries() {
		streams = append(streams, m.read(sources.RetryTopic(p.client, retryTopic, retryGroup, sources.WithInvisible(m.w.lease)), retryTopic))
	}
	s := streams[0]
	if len(streams) > 1 {
		s = flow.Merge(streams...)
	}
	return m.design.Build(s, outfit{m.w, p, m.design})
}

// read gives the inputs that a source has.
func (m *member) read(src stage.Source[*client.Message], topic string) flow.Stream[randpipe.Item] {
	return flow.From(src).Named(sourceOf(topic)).Map(func(msg *client.Message) randpipe.Item {
		it := itemOf(msg.Properties, "")
		if string(msg.Body) != bodyOf(it) {
			m.w.ledger.violated(Unknown, "delivery %d of input %d says %q", it.Delivery, it.Src, msg.Body)
		}
		m.w.ledger.restored(it.Delivery, msg)
		it.Delivery = m.w.ledger.passes(it.Delivery)
		if m.design.ordered {
			it.Key = msg.MessageGroup
		}
		return it
	})
}

// judge holds the end of a run against how it was ended.
func (m *member) judge(ctx context.Context, p *process, err error, stats flow.Snapshot) {
	if p.isDead() {
		return // nobody sees how it ends
	}
	var drained *flow.DrainError
	var stopped *flow.PolicyError
	var dropped *flow.DroppedError
	switch {
	case err == nil && ctx.Err() == nil && !m.design.Ends && !m.last:
		m.w.ledger.violated(Ending, "%s: the run ended by itself", p.name)
	case errors.As(err, &dropped):
		m.w.ledger.violated(Ending, "%s: %v", p.name, err)
	case errors.As(err, &drained):
		kind := DrainTimedOut
		if drained.Deadline == 0 {
			kind = DrainCut
		}
		m.w.happened(kind, "%s: %v", p.name, err)
		if !p.hard {
			m.w.ledger.violated(Ending, "%s: a drain that nothing cut short: %v", p.name, err)
		}
	case errors.As(err, &stopped) && !m.design.Stops:
		m.w.ledger.violated(Ending, "%s: %v, without such a policy", p.name, err)
	}
	for _, st := range stats.Stages {
		if st.Waiting != 0 || st.Source != nil && st.Source.InFlight != 0 {
			m.w.ledger.violated(Ending, "%s: stage %s ends with records in it: %+v", p.name, st.Name, st)
		}
	}
}

// now gives the present process, if it runs.
func (m *member) now() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.present
}

// crash ends the present process at once: nothing that it does has an effect any more.
func (m *member) crash() {
	p := m.now()
	if p == nil || p.dead.Swap(true) {
		return
	}
	m.w.happened(ProcessCrashed, "%s", p.name)
	p.link.die()
	p.cut()
	p.cancel()
}

// drain ends the present process in order. If its drain may be cut short, it is, some time later.
func (m *member) drain() {
	p := m.now()
	if p == nil || p.isDead() {
		return
	}
	m.w.happened(ProcessDrained, "%s within %v", p.name, p.drain)
	p.cancel()
	if p.hard && p.drain > 2*time.Second {
		time.AfterFunc(m.w.instant(m.dice.Between(0, time.Second)), p.cut)
	}
}

// finish runs one process, whose input has ended from the begin.
func (m *member) finish() {
	p, ok := m.start(1)
	if !ok {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.finished:
	case <-timer.C:
		m.w.ledger.violated(Ending, "%s: what stores have is not finished after %v", p.name, patience)
		p.cut()
		p.cancel()
		<-p.finished
	}
}

// leave ends the member, its present process in order and with all the time it needs.
func (m *member) leave() {
	m.mu.Lock()
	m.over = true
	p := m.present
	m.mu.Unlock()
	if p != nil {
		p.cancel()
	}
	<-m.done
}
