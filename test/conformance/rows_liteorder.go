package conformance

import (
	"fmt"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// liteOrderRows are how messages of a lite topic are delivered, and delivered again. In LOCAL mode
// the server refuses the subscription that they begin with.
func liteOrderRows() []Row {
	return []Row{
		{"LI20", "while messages of a lite topic are out it gives no more, another does, and all acknowledged it goes on at once", Either, func(e *Env) {
			c := e.liteWith("a1", "a2", "a3")
			c.subscribe("b")
			out := c.take(2, atMost(2))
			c.none()
			c.store("b", "b1")
			require.Equal(e, []string{"b1"}, bodiesOf(c.take(1)))
			c.acked(out[1])
			answer := c.wait()
			acked := time.Now()
			c.acked(out[0])
			third := answer()
			if len(third.Messages) == 0 {
				c.store("a", "a4")
				require.Equal(e, []string{"a3", "a4"}, bodiesOf(c.take(2)))
				e.Stop("with the next message")
			}
			require.Equal(e, []string{"a3"}, bodiesOf(third.Messages))
			require.Less(e, third.At().Sub(acked), unlockDelay)
			c.acked(out...)
			e.Saw(served)
		}},
		{"LI21", "what is not acknowledged comes again at the end of its lease, in place, as another attempt", Either, func(e *Env) {
			c := e.liteWith("a1", "a2")
			began := time.Now()
			first := c.take(2, invisible(minInvisible))
			again, at := c.Next(c.group, c.topic, minInvisible+reviveDelay, polling(20*time.Second))
			require.Equal(e, []string{"a1", "a2"}, bodiesOf(again))
			require.Equal(e, []int32{2, 2}, attemptsOf(again))
			require.Equal(e, offsetOf(first[0]), offsetOf(again[0]))
			require.GreaterOrEqual(e, at.Sub(began), minInvisible-tick)
			require.Less(e, at.Sub(began), minInvisible+reviveDelay)
			require.Equal(e, v2.Code_INVALID_RECEIPT_HANDLE, c.Ack(c.group, c.topic, first[0]).GetStatus().GetCode())
			e.Saw(served)
		}},
		{"LI22", "what comes again after all but the second of three was acknowledged", Either, func(e *Env) {
			c := e.liteWith("a1", "a2", "a3")
			out := c.take(3, invisible(2*minInvisible))
			c.acked(out[0], out[2])
			again, _ := c.Next(c.group, c.topic, 2*minInvisible+reviveDelay)
			sawOne(e, fmt.Sprint(bodiesOf(again)), map[string]string{"[a2]": "the second", "[a2 a3]": "the second and third"})
		}},
		{"LI23", "the attempts of a message that comes again with a new one", Either, func(e *Env) {
			c := e.liteWith("a1")
			out := c.take(1, invisible(2*minInvisible))
			c.store("a", "a2")
			again, _ := c.Next(c.group, c.topic, 2*minInvisible+reviveDelay)
			require.Equal(e, []string{"a1", "a2"}, bodiesOf(again))
			require.Equal(e, offsetOf(out[0]), offsetOf(again[0]))
			sawOne(e, fmt.Sprint(attemptsOf(again)), map[string]string{"[2 1]": "2 and 1", "[1 1]": "1 and 1"})
		}},
		{"LI24", "a suspended message hides its lite topic, and nothing else, for the time given", Either, func(e *Env) {
			const hidden = 15 * time.Second // long enough for what is done meanwhile
			c := e.liteWith("a1", "a2", "a3")
			c.subscribe("b")
			out := c.take(3)
			c.acked(out[0])
			began := time.Now()
			c.Changed(c.group, c.topic, out[2], hidden, suspended())
			c.store("b", "b1")
			require.Equal(e, []string{"b1"}, bodiesOf(c.take(1)))
			again, at := c.Next(c.group, c.topic, hidden+reviveDelay, polling(20*time.Second))
			require.Equal(e, []string{"a2", "a3"}, bodiesOf(again))
			require.GreaterOrEqual(e, at.Sub(began), hidden-tick)
			require.Less(e, at.Sub(began), hidden+reviveDelay)
			e.Saw(served)
		}},
		{"LI25", "the attempts of a message that is suspended each time", Either, func(e *Env) {
			c := e.liteWith("a1")
			var attempts []int32
			for range 4 {
				m := c.take(1)[0]
				attempts = append(attempts, attemptOf(m))
				c.Changed(c.group, c.topic, m, 50*time.Millisecond, suspended())
			}
			sawOne(e, fmt.Sprint(attempts), map[string]string{"[1 1 1 1]": "1 and 1", "[1 2 2 2]": "1 and 2"})
		}},
		{"LI26", "without suspension a change is of one message; the lite topic waits for all", Either, func(e *Env) {
			c := e.liteWith("a1", "a2")
			began := time.Now()
			out := c.take(2, invisible(minInvisible))
			c.Changed(c.group, c.topic, out[0], 2*time.Second)
			again, at := c.Next(c.group, c.topic, minInvisible+reviveDelay, polling(20*time.Second))
			require.Equal(e, []string{"a1", "a2"}, bodiesOf(again))
			require.Equal(e, []int32{2, 2}, attemptsOf(again))
			require.GreaterOrEqual(e, at.Sub(began), minInvisible-tick)
			c.Changed(c.group, c.topic, again[0], 20*time.Second)
			c.acked(again...)
			c.none()
			e.Saw(served)
		}},
		{"LI27", "a change without the lite topic", Either, func(e *Env) {
			c := e.liteWith("a1")
			m := c.take(1)[0]
			m.SystemProperties.LiteTopic = nil
			if c.Change(c.group, c.topic, m, 0, suspended()).GetStatus().GetCode() != v2.Code_OK {
				e.Stop("an error")
			}
			c.none()
			e.Saw("OK, and does nothing")
		}},
		{"LI28", "an acknowledgement without the lite topic", Either, func(e *Env) {
			c := e.liteWith("a1")
			m := c.take(1, invisible(minInvisible))[0]
			m.SystemProperties.LiteTopic = nil
			if c.Ack(c.group, c.topic, m).GetStatus().GetCode() != v2.Code_OK {
				e.Stop("an error")
			}
			again, _ := c.Next(c.group, c.topic, minInvisible+reviveDelay)
			sawOne(e, len(again), map[int]string{0: "acknowledges", 1: "OK, and does nothing"})
		}},
		{"LI29", "what comes after the first message of a lite topic was forwarded to the dead letters", Either, func(e *Env) {
			c := e.liteWith("a1", "a2")
			m := c.take(1, atMost(1))[0]
			require.Equal(e, v2.Code_OK, c.Forward(c.group, c.topic, m).GetCode())
			rest := c.take(1, atMost(1))
			require.Equal(e, []string{"a2"}, bodiesOf(rest))
			c.acked(rest...)
			require.Equal(e, "a1", string(e.deadLetter(c.group).GetBody()))
			again, _ := c.Next(c.group, c.topic, shortestPoll)
			sawOne(e, fmt.Sprint(bodiesOf(again)), map[string]string{"[]": "nothing", "[a1]": "the message again"})
		}},
		{"LI34", "another message than the first that is forwarded to the dead letters is gone from its lite topic", Either, func(e *Env) {
			c := e.liteWith("a1", "a2", "a3")
			out := c.take(2, atMost(2))
			require.Equal(e, v2.Code_OK, c.Forward(c.group, c.topic, out[1]).GetCode())
			c.acked(out[0])
			require.Equal(e, []string{"a3"}, bodiesOf(c.take(1)))
			dead := e.deadLetter(c.group)
			require.Equal(e, "a2", string(dead.GetBody()))
			require.Equal(e, idOf(out[1]), idOf(dead))
			require.Equal(e, "a", dead.GetSystemProperties().GetLiteTopic())
			e.Saw(served)
		}},
		{"LI30", "what becomes of a message that was delivered often enough", Either, func(e *Env) {
			topic := e.Topic("LITE", 4)
			c := e.LiteOf(topic, e.GroupOf(target.Group{Lite: &target.Lite{Parent: topic}})) // one delivery
			c.store("a", "a1")
			c.subscribe("a")
			c.Changed(c.group, c.topic, c.take(1)[0], 0)
			var again []*v2.Message
			e.moved(c.group, func() { again = append(again, c.Receive(c.group, c.topic).Messages...) })
			require.Equal(e, "a1", string(e.deadLetter(c.group).GetBody()))
			if len(again) == 0 { // it may be there, and the server not think of looking
				c.store("a", "a2")
				again, _ = c.Next(c.group, c.topic, quiet)
			}
			require.NotEmpty(e, again)
			require.EqualValues(e, 1, attemptOf(again[0]))
			sawOne(e, string(again[0].GetBody()), map[string]string{"a2": "dead", "a1": "dead, and comes again"})
		}},
		{"LI31", "a message received with renewal, after its first lease", Either, func(e *Env) {
			c := e.liteWith("a1")
			m := c.take(1, renewed())[0]
			c.say(setLite, nil, "a")
			again, _ := c.Next(c.group, c.topic, time.Minute+shortestPoll)
			if len(again) > 0 {
				e.Stop("comes again")
			}
			c.acked(m)
			e.Saw("renewed")
		}},
		{"LI32", "a receive that repeats an attempt id at once", Either, func(e *Env) {
			c := e.liteWith("a1", "a2")
			c.take(2, attempt("one"))
			again := c.Receive(c.group, c.topic, attempt("one"))
			sawOne(e, fmt.Sprint(bodiesOf(again.Messages), attemptsOf(again.Messages)), map[string]string{
				"[a1 a2] [1 1]": "the same", "[] []": "nothing",
			})
		}},
		{"LI35", "a change of a message that is acknowledged", Either, func(e *Env) {
			c := e.liteWith("a1")
			m := c.take(1)[0]
			c.acked(m)
			if c.Change(c.group, c.topic, m, 0, suspended()).GetStatus().GetCode() != v2.Code_OK {
				e.Stop("an error")
			}
			c.none()
			e.Saw("OK, and does nothing")
		}},
		{"LI33", "a client with more than 100 messages that are renewed gets no more", Either, unackedLite},
	}
}

// liteWith returns a client that has subscribed to the lite topic a, which has messages.
func (e *Env) liteWith(bodies ...string) *liteClient {
	c := e.Lite(target.Lite{})
	c.store("a", bodies...)
	c.subscribe("a")
	return c
}

func unackedLite(e *Env) {
	c := e.Lite(target.Lite{})
	c.subscribe("a")
	for taken := 0; taken <= 100; {
		var bodies []string
		for range 32 {
			bodies = append(bodies, "body")
		}
		name := fmt.Sprint("a", taken)
		c.store(name, bodies...)
		c.subscribe(name)
		taken += len(c.take(32, renewed()))
	}
	c.store("a", "a1")
	require.Equal(e, v2.Code_FORBIDDEN, c.Receive(c.group, c.topic, renewed()).Status.GetCode())
	e.Saw(served)
}
