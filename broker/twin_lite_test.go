package broker_test

import (
	"fmt"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

// liteMembers are the clients of lite topics. The last one reads all that there are, and so comes after
// those who let them be.
func liteMembers() []struct{ id, group string } {
	return []struct{ id, group string }{{"one", "lite"}, {"two", "again"}, {"three", "all"}}
}

// speak lets all clients say what they subscribe to.
func (t *twins) speak() {
	t.spoke = time.Now()
	t.both(func(s *side) {
		s.heartbeat("G")
		for _, m := range liteMembers() {
			s.lite[m.id].heartbeat(m.group)
			s.lite[m.id].set(t.wants[m.id]...)
		}
	})
}

// receiveLite lets a client receive what it subscribes to: some if that is one lite topic, else all.
func (t *twins) receiveLite() deed {
	m := liteMembers()[t.random.IntN(3)]
	single := len(t.wants[m.id]) == 1
	repeats := t.random.IntN(2) == 0
	change := t.changes(single, repeats)
	d := t.receiving(m.group, "L", single, func(s *side) ([]*v2.ReceiveMessageResponse, error) {
		c := s.lite[m.id]
		return c.frames(c.ctx, c.request(c.group, c.topic, change...))
	})
	d.atomic = single && !repeats // else each lite topic is by itself, or what it changes is not seen
	return d
}

// subscribe lets a client subscribe to a lite topic, or end that; or the lite topic end.
func (t *twins) subscribe() deed {
	id, name := t.one("one", "two"), t.one("a", "b", "c", "d")
	had := slices.Contains(t.wants[id], name)
	from := []*v2.OffsetOption{nil, nil, offset(1), tail(1)}[t.random.IntN(4)]
	expire := t.random.IntN(4) == 0
	return deed{do: func(s *side) (outcome, error) {
		switch c := s.lite[id]; {
		case expire:
			return outcome{says: []string{fmt.Sprint(s.broker.ExpireLiteTopic("L", name))}}, nil
		case had && from == nil:
			c.unsubscribe(name)
		default:
			c.subscribeFrom(from, name)
		}
		return outcome{}, nil
	}, then: func([2]outcome) {
		switch {
		case expire:
		case had && from == nil:
			t.wants[id] = slices.DeleteFunc(t.wants[id], func(n string) bool { return n == name })
		case !had:
			t.wants[id] = append(t.wants[id], name)
		}
	}}
}

// finish receives and acknowledges all that is left.
func (t *twins) finish() {
	t.wants["one"], t.wants["two"] = []string{"a", "b", "c", "d"}, []string{"a", "b", "c", "d"}
	for range 50 {
		time.Sleep(t.seconds(50, 60))
		t.speak()
		t.compare()
		t.both(func(s *side) {
			for _, topic := range ordinaryTopics() {
				for _, group := range readers(topic) {
					_, got := s.receive(s.request(group, topic, polling(time.Millisecond)))
					if len(got) > 0 {
						s.ack(group, topic, handles(got...)...)
					}
				}
			}
			for _, m := range liteMembers() {
				c := s.lite[m.id]
				if _, got := c.receive(c.request(c.group, c.topic, polling(time.Millisecond))); len(got) > 0 {
					c.settle(got...)
				}
			}
		})
	}
	t.compare()
	if t.breaks { // else something may be extended still
		t.Zero(t.most(func(p broker.Progress) int64 { return p.Backlog }))
	}
}
