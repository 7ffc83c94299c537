package broker_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A liteMess is two clients of a group that do things with three lite topics at random, of which
// only the seed is known.
type liteMess struct {
	*rig
	random  *rand.Rand
	clients []*liteClient
	sent    map[string]int // by lite topic; the bodies of one count from 1
	begun   map[string]int // how many were delivered at least once
	held    []*v2.Message  // received at some time, perhaps settled or expired since
	settled map[string]bool
}

func (m *liteMess) step() {
	c := m.clients[m.random.IntN(len(m.clients))]
	name := string("abc"[m.random.IntN(3)])
	switch m.random.IntN(9) {
	case 0:
		m.sent[name]++
		m.sendLite(name, m.sent[name], m.sent[name])
	case 1, 2:
		m.receive(c, 1+m.random.IntN(5))
	case 3, 4:
		if held, ok := m.any(); ok && c.settle(held)[0] == v2.Code_OK {
			m.settled[string(held.GetBody())] = true
		}
	case 5:
		if held, ok := m.any(); ok {
			d := time.Duration(m.random.IntN(20)) * time.Second
			next, code := c.hidden(held, d, m.random.IntN(2) == 0)
			if code == v2.Code_OK && m.random.IntN(2) == 0 {
				held.SystemProperties.ReceiptHandle = &next
			}
		}
	case 6:
		time.Sleep(time.Duration(m.random.IntN(8000)) * time.Millisecond)
	case 7:
		if m.random.IntN(2) == 0 {
			c.unsubscribe(name)
		} else {
			c.set("a", name)
		}
	case 8:
		c.subscribe(name)
	}
	for _, c := range m.clients {
		c.heartbeat(c.group)
	}
}

// receive takes messages, of which each lite topic gives its own in order.
func (m *liteMess) receive(c *liteClient, n int) {
	_, got := c.take(batch(int32(n)))
	for i, message := range got {
		sp := message.GetSystemProperties()
		if i > 0 && sp.GetLiteTopic() == got[i-1].GetSystemProperties().GetLiteTopic() {
			m.Greater(sp.GetQueueOffset(), got[i-1].GetSystemProperties().GetQueueOffset())
		}
		offset := int(sp.GetQueueOffset())
		m.LessOrEqual(offset, m.begun[sp.GetLiteTopic()], "one was passed over")
		m.begun[sp.GetLiteTopic()] = max(m.begun[sp.GetLiteTopic()], offset+1)
	}
	m.held = append(m.held, got...)
}

func (m *liteMess) any() (*v2.Message, bool) {
	if len(m.held) == 0 {
		return nil, false
	}
	return m.held[m.random.IntN(len(m.held))], true
}

// finish takes and acknowledges what is left.
func (m *liteMess) finish() broker.GroupStats {
	c := m.clients[0]
	for range 1000 {
		c.set("a", "b", "c")
		stats, err := m.broker.GroupStats(c.group)
		m.NoError(err)
		if stats.Backlog == 0 {
			return stats
		}
		_, got := c.take()
		for i, code := range c.settle(got...) {
			if code == v2.Code_OK {
				m.settled[string(got[i].GetBody())] = true
			}
		}
		c.heartbeat(c.group)
	}
	m.FailNow("there is no end of it")
	return broker.GroupStats{}
}

func TestLite_SettlesEachMessageOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			withLiteTopics(t, func(r *rig) {
				r.NoError(r.broker.CreateGroup(broker.Group{
					Name: "twice", RetryMaxTimes: 2, Lite: broker.LiteBinding{Topic: "L"},
				}))
				m := &liteMess{
					rig: r, random: rand.New(rand.NewPCG(seed, 0)), sent: map[string]int{}, begun: map[string]int{},
					clients: []*liteClient{r.lite("one", "twice"), r.lite("two", "twice")}, settled: map[string]bool{},
				}
				for range 300 {
					m.step()
				}
				stats := m.finish()
				all := m.sent["a"] + m.sent["b"] + m.sent["c"]
				m.EqualValues(all, stats.Acked+stats.DeadLettered)
				for _, dead := range m.dead("twice") {
					m.settled[dead.ID] = true
				}
				m.Len(m.settled, all)
			})
		})
	}
}
