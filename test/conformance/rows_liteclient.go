package conformance

import (
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// liteClientRows are of several clients, and of those that go. In LOCAL mode the server refuses the
// subscription that they begin with.
func liteClientRows() []Row {
	return []Row{
		{"LI40", "of two clients that share a lite topic one gets a message, and the other nothing while it is out", Either, func(e *Env) {
			one := e.liteWith()
			two := e.LiteOf(one.topic, one.group)
			two.subscribe("a")
			first, second := one.wait(), two.wait()
			one.Store(e.Message(one.topic, "a1", inLite("a")))
			require.Equal(e, []string{"a1"}, append(bodiesOf(first().Messages), bodiesOf(second().Messages)...))
			e.Saw(served)
		}},
		{"LI41", "groups have each message of a lite topic each", Either, func(e *Env) {
			one := e.liteWith("a1")
			other := e.LiteOf(one.topic, e.LiteGroup(one.topic, target.Lite{}))
			other.subscribe("a")
			require.Equal(e, []string{"a1"}, bodiesOf(one.take(1)))
			require.Equal(e, []string{"a1"}, bodiesOf(other.take(1)))
			e.Saw(served)
		}},
		{"LI42", "a client of an exclusive group takes a lite topic from another, which is told so and may acknowledge what it has", Either, func(e *Env) {
			one := e.Lite(target.Lite{Exclusive: true})
			one.store("a", "a1", "a2")
			one.subscribe("a", "b")
			out := one.take(1, atMost(1))
			two := e.LiteOf(one.topic, one.group)
			two.subscribe("a")
			one.loses("a")
			one.acked(out...)
			require.Equal(e, []string{"a2"}, bodiesOf(two.take(1)))
			one.store("b", "b1")
			require.Equal(e, []string{"b1"}, bodiesOf(one.take(1)))
			e.Saw(served)
		}},
		{"LI43", "what a client of an exclusive group is told that subscribes again to what it has", Either, func(e *Env) {
			c := e.Lite(target.Lite{Exclusive: true})
			c.subscribe("a")
			c.subscribe("a")
			sawOne(e, c.losesNothing(), map[bool]string{true: "nothing", false: "that it has lost it"})
		}},
		{"LI44", "a client of an exclusive group that says all that it subscribes to takes nothing from another", Either, func(e *Env) {
			one := e.Lite(target.Lite{Exclusive: true})
			one.subscribe("a")
			two := e.LiteOf(one.topic, one.group)
			two.say(setLite, nil, "a")
			require.True(e, one.losesNothing(), "a notification")
			e.Saw(served)
		}},
		{"LI45", "a group that resets by taking over begins anew", Either, func(e *Env) {
			one := e.Lite(target.Lite{Exclusive: true, ResetOnTakeover: true})
			one.store("a", "a1")
			one.subscribe("a")
			one.acked(one.take(1)...)
			two := e.LiteOf(one.topic, one.group)
			two.subscribe("a")
			require.Equal(e, []string{"a1"}, bodiesOf(two.take(1)))
			e.Saw(served)
		}},
		{"LI46", "a client whose telemetry stream breaks loses its subscriptions, and says them again", Either, func(e *Env) {
			c := e.liteWith("a1")
			c.breakOff()
			e.Sleep(unlockDelay)
			c.none()
			c.connect()
			c.none()
			c.say(setLite, nil, "a")
			require.Equal(e, []string{"a1"}, bodiesOf(c.take(1)))
			e.Saw(served)
		}},
		{"LI47", "a client that says farewell loses its subscriptions", Either, func(e *Env) {
			c := e.liteWith("a1")
			require.Equal(e, v2.Code_OK, c.Terminate(c.group).GetCode())
			c.connect()
			e.Sleep(unlockDelay)
			c.none()
			e.Saw(served)
		}},
		{"LI48", "a receive from another topic than the bound one, or for another group, is refused", Either, func(e *Env) {
			c := e.liteWith("a1")
			other := e.Topic("LITE", 4)
			require.NotEqual(e, v2.Code_OK, c.Receive(c.group, other).Status.GetCode())
			require.NotEqual(e, v2.Code_OK, c.Receive(e.LiteGroup(other, target.Lite{}), c.topic).Status.GetCode())
			e.Saw(served)
		}},
		{"LI50", "a receive for a bound group by a client of an ordinary one", Either, func(e *Env) {
			c := e.liteWith("a1") // refused in LOCAL mode
			received := e.Consumer(e.Group()).Receive(e.LiteGroup(c.topic, target.Lite{}), c.topic)
			sawOne(e, received.Status.GetCode(), map[v2.Code]string{
				v2.Code_ILLEGAL_CONSUMER_GROUP: "illegal consumer group", v2.Code_OK: "served as an ordinary one",
			})
		}},
		{"LI49", "what a client gets at once that subscribes to 110 lite topics with messages", Either, func(e *Env) {
			c := e.Lite(target.Lite{})
			var names []string
			for i := range 110 {
				names = append(names, fmt.Sprint("n", i))
				c.Store(e.Message(c.topic, "body", inLite(names[i])))
			}
			e.Indexed(c.topic, 110)
			c.subscribe(names...)
			got := 0
			for full := true; full; { // an answer that waits may find what is there later
				n := len(c.Receive(c.group, c.topic, invisible(longLease)).Messages)
				got, full = got+n, n == 32
			}
			sawOne(e, got, map[int]string{110: "all", 100: "100"})
		}},
	}
}
