package conformance

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// unlockDelay is what the server may take to hand out a queue that has become free, on a machine that
// is busy: less than what is left of a lease or a poll that would bring the messages as well.
const unlockDelay = 6 * time.Second

func orderedRows() []Row {
	return []Row{
		{"FI1", "while messages of a queue are out, the queue gives no more", Equal, func(e *Env) {
			r := e.ordered(4)
			r.receive(2, atMost(2))
			again := r.c.Receive(r.group, r.topic, atMost(2), polling(20*time.Second))
			require.Equal(e, []string{"0", "1"}, bodiesOf(again.Messages))
			require.GreaterOrEqual(e, again.At().Sub(r.at), minInvisible-tick)
		}},
		{"FI2", "when all that are out are acknowledged, it gives more at once", Near, func(e *Env) {
			r := e.ordered(4)
			r.receive(2, atMost(2), invisible(longLease))
			wait := r.c.Async(r.group, r.topic, atMost(1), polling(20*time.Second))
			e.Sleep(time.Second)
			acked := time.Now()
			r.c.Acked(r.group, r.topic, r.messages...)
			third := wait()
			require.Equal(e, []string{"2"}, bodiesOf(third.Messages))
			require.Less(e, third.At().Sub(acked), unlockDelay)
			r.c.Acked(r.group, r.topic, third.Messages...)
			fourth := r.c.Receive(r.group, r.topic)
			require.Equal(e, []string{"3"}, bodiesOf(fourth.Messages))
			require.Less(e, fourth.Took, unlockDelay)
		}},
		{"FI4", "what comes again after the second of two was acknowledged, and the first was not", Either, func(e *Env) {
			r := e.ordered(2)
			r.receive(2)
			r.c.Acked(r.group, r.topic, r.messages[1])
			again, at := r.c.Next(r.group, r.topic, minInvisible+reviveDelay)
			require.GreaterOrEqual(e, at.Sub(r.at), minInvisible-tick)
			sawOne(e, fmt.Sprint(bodiesOf(again)), map[string]string{"[0]": "the first", "[0 1]": "both"})
		}},
		{"FI5", "a queue with messages out does not hold up another", Equal, func(e *Env) {
			r := e.ordered(2)
			r.receive(2, invisible(longLease))
			other := e.Message(r.topic, "other", inGroup(r.elsewhere()))
			r.c.Store(other)
			received := r.c.Receive(r.group, r.topic)
			require.Equal(e, []string{"other"}, bodiesOf(received.Messages))
			require.Less(e, received.Took, unlockDelay)
		}},
		{"FI6", "a receive that repeats an attempt id gets the same messages, as the same attempt", Equal, func(e *Env) {
			r := e.ordered(2)
			r.receive(2, attempt("one"), invisible(longLease))
			first := r.messages
			r.receive(2, attempt("one"), invisible(longLease))
			require.Equal(e, bodiesOf(first), bodiesOf(r.messages))
			require.Equal(e, []int32{1, 1}, attemptsOf(r.messages))
		}},
		{"FI7", "a receive with another attempt id gets nothing", Equal, func(e *Env) {
			r := e.ordered(2)
			r.receive(2, attempt("one"), invisible(longLease))
			require.Empty(e, r.c.Receive(r.group, r.topic, attempt("two")).Messages)
		}},
		{"FI8", "an acknowledgement with a handle from before a repeated attempt is OK and does nothing", Equal, func(e *Env) {
			r := e.ordered(2)
			r.receive(2, attempt("one"), invisible(longLease))
			stale := r.messages
			e.Sleep(time.Second)
			r.receive(2, attempt("one"), invisible(longLease))
			r.c.Acked(r.group, r.topic, stale...)
			require.Empty(e, r.c.Receive(r.group, r.topic, attempt("two")).Messages)
		}},
		{"FI13", "while a message is out, those of other message groups in its queue wait as well", Equal, func(e *Env) {
			r := e.ordered(1)
			r.receive(1, invisible(longLease))
			r.c.Store(e.Message(r.topic, "neighbour", inGroup(r.neighbour())))
			require.Empty(e, r.c.Receive(r.group, r.topic).Messages)
			r.c.Acked(r.group, r.topic, r.messages...)
			require.Equal(e, []string{"neighbour"}, bodiesOf(r.c.Receive(r.group, r.topic).Messages))
		}},
		{"FI10", "a group that is not ordered is not held up by a FIFO topic", Equal, func(e *Env) {
			r := e.fifo(e.Group(), 4)
			r.receive(2, atMost(2), invisible(longLease))
			r.receive(2, atMost(2), invisible(longLease))
			require.Equal(e, []string{"2", "3"}, bodiesOf(r.messages))
		}},
	}
}

func orderedExpiryRows() []Row {
	return []Row{
		{"FI3", "a message comes again as soon as its invisible duration is over, at the same offset", Near, func(e *Env) {
			r := e.ordered(1)
			r.receive(1)
			offset := offsetOf(r.messages[0])
			again := r.again(minInvisible, minInvisible+unlockDelay)
			require.Equal(e, offset, offsetOf(again))
			require.EqualValues(e, 2, attemptOf(again))
		}},
		{"FI9", "a message whose duration is changed to 2 s comes again after them, attempt 2", Near, func(e *Env) {
			r := e.ordered(1)
			r.receive(1, invisible(longLease))
			r.at = time.Now()
			r.c.Changed(r.group, r.topic, r.messages[0], 2*time.Second)
			require.EqualValues(e, 2, attemptOf(r.again(2*time.Second, 2*time.Second+reviveDelay)))
		}},
		{"FI14", "with suspend, it comes again as another attempt all the same", Near, func(e *Env) {
			r := e.ordered(1)
			r.receive(1, invisible(longLease))
			r.at = time.Now()
			r.c.Changed(r.group, r.topic, r.messages[0], 2*time.Second, suspended())
			require.EqualValues(e, 2, attemptOf(r.again(2*time.Second, 2*time.Second+reviveDelay)))
		}},
		{"FI15", "after the first of two was acknowledged, the second comes again alone", Equal, func(e *Env) {
			r := e.ordered(2)
			r.receive(2)
			r.c.Acked(r.group, r.topic, r.messages[0])
			again := r.again(minInvisible, minInvisible+reviveDelay)
			require.Equal(e, "1", string(again.GetBody()))
			require.EqualValues(e, 2, attemptOf(again))
		}},
		{"FI11", "the attempts of a message that comes again together with a new one", Either, func(e *Env) {
			r := e.ordered(1)
			r.receive(1, invisible(2*minInvisible))
			r.c.Store(e.Message(r.topic, "new", inGroup(messageGroup)))
			again, _ := r.c.Next(r.group, r.topic, 2*minInvisible+reviveDelay)
			require.Equal(e, []string{"0", "new"}, bodiesOf(again))
			sawOne(e, fmt.Sprint(attemptsOf(again)), map[string]string{"[1 1]": "1 and 1", "[2 1]": "2 and 1"})
		}},
		{"FI12", "after its last attempt a message is a dead letter, and the queue goes on", Equal, func(e *Env) {
			r := e.fifo(e.GroupOf(target.Group{Ordered: true, RetryMaxTimes: 1}), 1)
			for attempt := range 2 {
				messages, _ := r.c.Next(r.group, r.topic, minInvisible+reviveDelay)
				require.Len(e, messages, 1)
				require.EqualValues(e, attempt+1, attemptOf(messages[0]))
			}
			e.moved(r.group, func() { require.Empty(e, r.c.Receive(r.group, r.topic).Messages) })
			r.c.Store(e.Message(r.topic, "next", inGroup(messageGroup)))
			next, _ := r.c.One(r.group, r.topic)
			require.Equal(e, "next", string(next.GetBody()))
			e.requireDead(r.group, "0")
		}},
	}
}

// messageGroup is the message group of what fifo stores.
const messageGroup = "order-1"

// ordered stores n messages of one message group for an ordered group.
func (e *Env) ordered(n int) popped { return e.fifo(e.OrderedGroup(), n) }

// fifo stores n messages of one message group, their numbers as bodies, in a topic of 4 queues.
func (e *Env) fifo(group string, n int) popped {
	p := popped{e: e, topic: e.Topic("FIFO", fifoQueues), group: group}
	p.c = e.Consumer(group)
	for i := range n {
		p.c.Store(e.Message(p.topic, fmt.Sprint(i), inGroup(messageGroup)))
	}
	e.Indexed(p.topic, int64(n))
	return p
}

// elsewhere returns a message group that shares no queue with that of the messages.
func (p *popped) elsewhere() string { return p.messageGroup(false) }

// neighbour returns a message group that shares the queue of the messages.
func (p *popped) neighbour() string { return p.messageGroup(true) }

func (p *popped) messageGroup(sameQueue bool) string {
	queue := jumpHash(javaHash(messageGroup), fifoQueues)
	for i := range 100 {
		name := fmt.Sprintf("other-%d", i)
		if (jumpHash(javaHash(name), fifoQueues) == queue) == sameQueue {
			return name
		}
	}
	require.Fail(p.e, "no such message group")
	return ""
}
