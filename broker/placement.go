package broker

import (
	"cmp"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A placement tells where in a broker messages go that came through a proxy. In a cluster the queues
// of a topic on all brokers count as one row, by the name of the broker and the number of the queue.
type placement struct {
	through *sessions
	row     int // queues of the topic in the cluster; 0 if the broker is alone
	first   int // the place in the row of this broker's first queue
	queue   int // of this broker, for what has neither a message group nor a lite topic or priority
}

// queuing gives what tells in which queue each message of a request is stored: that of its message
// group or lite topic, or the one whose number is its priority. Those that have none of these go to
// one queue together, another one for each request.
func (t *topic) queuing(p placement) func(*v2.Message) int {
	if p.row == 0 {
		p.row, p.queue = len(t.logs), int(t.robin.Add(1))%len(t.logs)
	}
	return func(m *v2.Message) int {
		if key := keyOf(m); key != "" {
			return queueOf(key, p.row) - p.first
		}
		if sp := m.GetSystemProperties(); sp.Priority != nil {
			t.ranked.Store(true)
			return min(int(sp.GetPriority()), len(t.logs)-1)
		}
		return p.queue
	}
}

// keyOf gives what binds a message to a queue: its message group or lite topic, "" for neither.
func keyOf(m *v2.Message) string {
	sp := m.GetSystemProperties()
	return cmp.Or(sp.GetMessageGroup(), sp.GetLiteTopic())
}
