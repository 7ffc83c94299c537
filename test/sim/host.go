package sim

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
)

// directory is where a broker keeps what it holds.
const directory = "broker"

// A host is the machine of the broker, which ends and starts again on the same disk.
type host struct {
	w    *world
	opts broker.Options
	disk *brokertest.Disk
	dlqs []string // topics of dead letters
	grpc bool     // connections are gRPC's

	mu     sync.Mutex // guards what follows
	broker *broker.Broker
	number int // of brokers so far; 0 while there is none
	up     bool
	listen chan struct{} // closed by the next answer to what changes something; nil if nobody waits
}

func (h *host) start() error {
	b, err := broker.Start(h.opts.OnDisk(h.disk))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broker, h.up = b, true
	h.number++
	return nil
}

// stop takes the broker away from those who talk to it.
func (h *host) stop() *broker.Broker {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = false
	return h.broker
}

// current gives the broker, the latest if there is none now.
func (h *host) current() (b *broker.Broker, number int, up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broker, h.number, h.up
}

// end lets the broker end in one of three ways, and start again after a time.
func (h *host) end(k Kind, down time.Duration, seed uint64) {
	h.awaitAnswer(10 * time.Second)
	b := h.stop()
	switch k {
	case BrokerKilled:
		h.disk = h.disk.Kill()
	case BrokerCrashed:
		h.disk = h.disk.Crash(seed)
	}
	h.w.happened(k, "down for %v", down)
	h.w.hangUp()
	if err := b.Close(); err != nil && k == BrokerRestarted {
		h.w.ledger.violated(Ending, "the broker did not close: %v", err)
	}
	h.w.sleep(context.Background(), down)
	if err := h.start(); err != nil {
		h.w.ledger.violated(Loss, "the broker does not start again: %v", err)
	}
	h.w.note("broker is up")
}

// awaitAnswer waits until the broker has answered, if it does so within a time: what it has promised then
// is newer than anything else on its disk.
func (h *host) awaitAnswer(d time.Duration) {
	answer := make(chan struct{})
	h.mu.Lock()
	h.listen = answer
	h.mu.Unlock()
	timer := time.NewTimer(h.w.instant(d))
	defer timer.Stop()
	select {
	case <-answer:
	case <-timer.C:
	}
}

// answered tells who waits that the broker has answered.
func (h *host) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listen != nil {
		close(h.listen)
		h.listen = nil
	}
}

// freeze lets the broker stand still for a time, unless it ends before.
func (h *host) freeze(k Kind, d time.Duration) {
	b, _, _ := h.current()
	h.w.happened(k, "for %v", d)
	thaw := b.Freeze()
	time.AfterFunc(h.w.instant(d), thaw)
}

// cut breaks all connections.
func (h *host) cut() {
	if n := h.w.hangUp(); n > 0 {
		h.w.happened(ConnectionsCut, "%d", n)
	}
}

// dial connects to the present broker; nil if there is none.
func (h *host) dial() (grpc.ClientConnInterface, func() error, int) {
	b, number, up := h.current()
	if !up {
		return nil, nil, number
	}
	conn, closer, err := h.connect(b)
	if err != nil {
		h.w.ledger.violated(Ending, "no connection: %v", err)
		return nil, nil, number
	}
	return conn, closer.Close, number
}

// connect makes a connection without gRPC's transport, or with all of it but the network.
func (h *host) connect(b *broker.Broker) (grpc.ClientConnInterface, io.Closer, error) {
	if !h.grpc {
		return b.Connect(context.Background(), b.Endpoint())
	}
	conn, err := grpc.NewClient("passthrough:///"+b.Endpoint(),
		grpc.WithContextDialer(b.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return conn, conn, err
}

// messages gives what is stored in a topic.
func (h *host) messages(topic string) []storedItem {
	b, _, _ := h.current()
	var all []storedItem
	for _, m := range b.Messages(topic) {
		all = append(all, storedItem{itemOf(m.Properties, m.MessageGroup), m.Queue, m.Offset})
	}
	return all
}

// copies counts the messages of an id in the topics that are read.
func (h *host) copies(id string) int {
	b, _, _ := h.current()
	n := 0
	for _, topic := range append([]string{retryTopic}, inputTopics...) {
		for _, m := range b.Messages(topic) {
			if m.ID == id {
				n++
			}
		}
	}
	return n
}

// copiesOf counts the messages of an input in the topics of inputs.
func (h *host) copiesOf(src int) int {
	b, _, _ := h.current()
	want, n := strconv.Itoa(src), 0
	for _, topic := range inputTopics {
		for _, m := range b.Messages(topic) {
			if m.Properties[propertySource] == want {
				n++
			}
		}
	}
	return n
}

// buried tells whether an input is among the dead letters of the broker.
func (h *host) buried(src int) bool {
	b, _, _ := h.current()
	want := strconv.Itoa(src)
	for _, topic := range h.dlqs {
		for _, m := range b.Messages(topic) {
			if m.Properties[propertySource] == want {
				return true
			}
		}
	}
	return false
}

// backlog is what the groups have still to settle; -1 if nobody can say.
func (h *host) backlog() (n int64) {
	b, _, up := h.current()
	if !up {
		return -1
	}
	for _, group := range h.opts.Groups {
		stats, err := b.GroupStats(group.Name)
		if err != nil {
			return -1
		}
		n += stats.Backlog
	}
	return n
}
