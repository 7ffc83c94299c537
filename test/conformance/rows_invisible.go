package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func invisibleRows() []Row {
	return []Row{
		{"CI1", "a message whose duration is changed to 0 comes again soon, attempt 2", Near, func(e *Env) {
			r := e.popped("body")
			r.c.Changed(r.group, r.topic, r.messages[0], 0)
			require.EqualValues(e, 2, attemptOf(r.again(0, reviveDelay)))
		}},
		{"CI2", "with suspend, it comes again as the same attempt", Near, func(e *Env) {
			r := e.popped("body")
			r.c.Changed(r.group, r.topic, r.messages[0], 0, suspended())
			require.EqualValues(e, 1, attemptOf(r.again(0, reviveDelay)))
		}},
		{"CI3", "a message whose duration is changed to 25 s comes again after them", Near, func(e *Env) {
			r := e.popped("body")
			r.c.Changed(r.group, r.topic, r.messages[0], 25*time.Second)
			r.again(25*time.Second, 25*time.Second+reviveDelay)
		}},
		{"CI4", "a duration below 0 or above 12 h is ILLEGAL_INVISIBLE_TIME", Equal, func(e *Env) {
			r := e.popped("body")
			for _, d := range []time.Duration{-time.Second, 12*time.Hour + time.Millisecond} {
				code := r.c.Change(r.group, r.topic, r.messages[0], d).GetStatus().GetCode()
				require.Equal(e, v2.Code_ILLEGAL_INVISIBLE_TIME, code, "%v", d)
			}
		}},
		{"CI5", "a change after the invisible duration is INVALID_RECEIPT_HANDLE", Equal, func(e *Env) {
			r := e.popped("body")
			e.Sleep(minInvisible + time.Second)
			code := r.c.Change(r.group, r.topic, r.messages[0], minInvisible).GetStatus().GetCode()
			require.Equal(e, v2.Code_INVALID_RECEIPT_HANDLE, code)
		}},
		{"CI6", "an acknowledgement with the handle from before a change is OK and does nothing", Equal, func(e *Env) {
			r := e.popped("body")
			old := unreceived(handleOf(r.messages[0]))
			r.c.Changed(r.group, r.topic, r.messages[0], 3*time.Second)
			r.c.Acked(r.group, r.topic, old)
			r.again(3*time.Second, 3*time.Second+reviveDelay)
		}},
		{"CI7", "an acknowledgement with the handle from a change holds", Near, func(e *Env) {
			r := e.popped("body")
			r.c.Changed(r.group, r.topic, r.messages[0], minInvisible)
			r.c.Acked(r.group, r.topic, r.messages[0])
			r.c.Silent(r.group, r.topic, r.at.Add(minInvisible+quiet))
		}},
		{"CI8", "the same, for the second message of an answer", Either, func(e *Env) {
			r := e.poppedTwo()
			r.c.Changed(r.group, r.topic, r.messages[1], minInvisible)
			r.c.Acked(r.group, r.topic, r.messages...)
			sawAgain(e, r, minInvisible+reviveDelay)
		}},
		{"CI9", "the acknowledgement of two messages that the server has renewed", Either, func(e *Env) {
			r := e.stored("1", "2")
			r.receive(2, renewed())
			e.Sleep(75 * time.Second)
			r.c.Acked(r.group, r.topic, r.messages...)
			sawAgain(e, r, 75*time.Second+50*time.Second)
		}},
		{"CI10", "a change by a client that has sent no settings", Either, func(e *Env) {
			r := e.popped("body")
			e.Saw(e.Client().Change(r.group, r.topic, r.messages[0], minInvisible).GetStatus().GetCode().String())
		}},
	}
}

// sawAgain reports whether a message comes again within d of its receive.
func sawAgain(e *Env, r popped, d time.Duration) {
	messages, _ := r.c.Next(r.group, r.topic, time.Until(r.at.Add(d)))
	if len(messages) == 0 {
		e.Saw("acknowledged")
		return
	}
	require.Equal(e, []string{"2"}, bodiesOf(messages))
	e.Saw("comes again")
}

// stored stores a message with each body in a topic of one queue.
func (e *Env) stored(bodies ...string) popped {
	p := popped{e: e, topic: e.Topic("NORMAL", 1), group: e.Group()}
	p.c = e.Consumer(p.group)
	p.c.StoreBodies(p.topic, bodies)
	e.Indexed(p.topic, int64(len(bodies)))
	return p
}

// poppedTwo stores two messages and receives them in one answer.
func (e *Env) poppedTwo() popped {
	p := e.stored("1", "2")
	p.receive(2)
	return p
}
