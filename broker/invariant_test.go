package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A mess is a client that does things at random, of which only the seed is known.
type mess struct {
	*rig
	random  *rand.Rand
	group   string
	sent    int
	held    []*v2.Message   // received at some time, perhaps settled or expired since
	settled map[string]bool // ids acknowledged, some without effect
}

func (m *mess) step() {
	switch m.random.IntN(7) {
	case 0:
		for range 1 + m.random.IntN(3) {
			m.send("F", fmt.Sprint(m.sent), withGroup("g"))
			m.sent++
		}
	case 1:
		_, got := m.pop(m.group, "F", batch(int32(1+m.random.IntN(5))))
		m.held = append(m.held, got...)
		if len(got) > 0 && m.random.IntN(4) == 0 {
			m.Equal(v2.Code_OK, m.forward(m.group, "F", handles(got[0])[0]))
		}
	case 2, 3:
		if held, ok := m.any(); ok {
			m.acknowledge(held)
		}
	case 4:
		if held, ok := m.any(); ok {
			d := time.Duration(m.random.IntN(20)) * time.Second
			code, next := m.change(m.group, "F", handles(held)[0], d, m.random.IntN(2) == 0)
			if code == v2.Code_OK && m.random.IntN(2) == 0 {
				held.SystemProperties.ReceiptHandle = &next
			}
		}
	case 5:
		time.Sleep(time.Duration(m.random.IntN(8000)) * time.Millisecond)
	case 6:
		m.breakOff()
	}
	m.heartbeat(m.group)
}

// breakOff receives and goes before it has read all.
func (m *mess) breakOff() {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	stream, err := m.stub.ReceiveMessage(ctx, m.request(m.group, "F"))
	m.NoError(err)
	for range m.random.IntN(3) {
		frame, err := stream.Recv()
		if err != nil {
			return
		}
		if got := frame.GetMessage(); got != nil {
			m.held = append(m.held, got)
		}
	}
}

func (m *mess) any() (*v2.Message, bool) {
	if len(m.held) == 0 {
		return nil, false
	}
	return m.held[m.random.IntN(len(m.held))], true
}

func (m *mess) acknowledge(messages ...*v2.Message) {
	for i, code := range m.ack(m.group, "F", handles(messages...)...) {
		if code == v2.Code_OK {
			m.settled[messages[i].GetSystemProperties().GetMessageId()] = true
		}
	}
}

// finish takes and acknowledges what is left.
func (m *mess) finish() broker.GroupStats {
	for range 1000 {
		stats, err := m.broker.GroupStats(m.group)
		m.NoError(err)
		if stats.Backlog == 0 {
			return stats
		}
		_, got := m.pop(m.group, "F")
		if len(got) > 0 {
			m.acknowledge(got...)
		}
		m.heartbeat(m.group)
	}
	m.FailNow("there is no end of it")
	return broker.GroupStats{}
}

func TestBroker_SettlesEachMessageOnceWhateverHappens(t *testing.T) {
	for _, group := range []string{"twice", "ordered-twice"} {
		for seed := range uint64(15) {
			t.Run(fmt.Sprintf("%s/seed=%d", group, seed), func(t *testing.T) {
				inBubble(t, func(r *rig) {
					r.NoError(r.broker.CreateGroup(broker.Group{
						Name: group, RetryMaxTimes: 2, Ordered: group == "ordered-twice",
					}))
					r.register()
					m := &mess{rig: r, random: rand.New(rand.NewPCG(seed, 0)), group: group, settled: map[string]bool{}}
					m.send("F", "first", withGroup("g"))
					m.pop(group, "F", batch(0)) // so that the group reads the topic
					m.sent++
					for range 200 {
						m.step()
					}
					stats := m.finish()
					m.EqualValues(m.sent, stats.Acked+stats.DeadLettered)
					for _, dead := range m.dead(group) {
						m.settled[dead.ID] = true
					}
					m.Len(m.settled, m.sent)
				})
			})
		}
	}
}
