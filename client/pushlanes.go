package client

import "sync"

// laneKey names a lane.
type laneKey struct {
	topic  string
	broker string // with queue: of a lane by queue
	queue  int
	group  string // message group, or lite topic
}

func laneOfQueue(m *Message) laneKey {
	return laneKey{topic: m.Topic, broker: m.Broker, queue: m.QueueID}
}

func laneOfMessageGroup(m *Message) laneKey {
	if m.MessageGroup == "" {
		return laneOfQueue(m)
	}
	return laneKey{topic: m.Topic, group: m.MessageGroup}
}

// lanes consume the messages of a FIFO group. The rules by which order holds, whatever fails:
//
//  1. The messages of a lane are consumed one at a time, in the order in which they arrived. That is the
//     order in the queue: the server gives a queue to one poll at a time, and again only when all that it
//     gave is settled or its lease is over.
//  2. The next message begins when the one before it is acknowledged or with the dead letters. If it can
//     not be settled, or is left to the server to redeliver, those behind it that came in the same answer
//     go with it: they come again after it.
//  3. A message that arrives again shows that the lease of the earlier delivery is over. What waits of
//     that, from the message on, is superseded: it comes again too.
//
// Lanes are one for all polls, so it makes no difference in which answer a message came.
type lanes struct {
	pusher *pusher

	mu     sync.Mutex // guards what follows, and the lanes
	closed bool       // no message begins any more
	byKey  map[laneKey]*lane
	tried  map[string]int // by message id: what the next attempt is, of messages left to the server
}

// add puts a message at the end of its lane.
func (ls *lanes) add(c *cached) {
	p := ls.pusher
	ls.mu.Lock()
	if next := ls.tried[c.delivery.origin.id]; next > c.delivery.Attempt {
		c.recount(next) // servers begin anew when new messages come with it
	}
	key := p.laneOf(c.delivery.Message)
	l, ok := ls.byKey[key]
	if !ok {
		l = &lane{lanes: ls, key: key}
		ls.byKey[key] = l
	}
	c.lane = l
	stale := l.addLocked(c)
	ls.mu.Unlock()
	for _, old := range stale {
		old.free()
	}
}

// close has no message begin any more. What is under way is settled.
func (ls *lanes) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
}

// remove takes out messages that no handler has, and returns them.
func (ls *lanes) remove(which func(*cached) bool) []*cached {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var out []*cached
	for _, l := range ls.byKey {
		var removed []*cached
		l.waiting, removed = without(l.waiting, which)
		if c := l.head; c != nil && (l.stage == ready || l.stage == pausing) && which(c) {
			if l.stage == pausing {
				l.timer.Stop()
			}
			if l.fresh != nil {
				c = l.fresh
				l.head.free()
			}
			out = append(out, c)
			l.advanceLocked()
		}
		out = append(out, removed...)
	}
	return out
}

// mostTried bounds what is remembered of messages left to the server. They may never come back here.
const mostTried = 4096

// rememberLocked keeps the attempt that a message is to be at when it comes again.
func (ls *lanes) rememberLocked(c *cached) {
	if len(ls.tried) >= mostTried {
		clear(ls.tried) // at worst they get more attempts than they should
	}
	ls.tried[c.delivery.origin.id] = c.delivery.Attempt
}
