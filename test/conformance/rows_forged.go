package conformance

import (
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// The fields of a receipt handle that a row forges.
const (
	brokerField = 5
	queueField  = 6
	offsetField = 7
	commitField = 8
)

// forgedRows are what the server says of handles and names that point nowhere. It reports the codes,
// which come from the broker in LOCAL mode and over the network in CLUSTER mode.
func forgedRows() []Row {
	return []Row{
		forgedAck("AC12", "an acknowledgement whose handle names another broker", brokerField, "broker-of-none"),
		forgedAck("AC13", "an acknowledgement whose handle names a queue that does not exist", queueField, "77"),
		forgedAck("AC14", "an acknowledgement whose handle names an offset that is not there yet", offsetField, "1000"),
		{"AC15", "an acknowledgement for a topic that does not exist", Either, func(e *Env) {
			r := e.popped("body")
			e.Saw(r.c.Ack(r.group, e.Name("missing"), r.messages...).GetStatus().GetCode().String())
		}},
		forgedChange("CI11", "a change whose handle names another broker", brokerField, "broker-of-none"),
		forgedChange("CI12", "a change whose handle names a queue that does not exist", queueField, "77"),
		forgedChange("CI13", "a change whose handle names an offset that is not there yet", offsetField, "1000"),
		{"DL8", "a forward whose handle names a place where no message is", Either, func(e *Env) {
			r := e.popped("body")
			e.Saw(r.c.Forward(r.group, r.topic, forged(r.messages[0], commitField, "9000000000000")).GetCode().String())
		}},
		{"FI16", "a change of a message of an ordered group that is acknowledged", Either, func(e *Env) {
			r := e.ordered(1)
			r.receive(1)
			r.c.Acked(r.group, r.topic, r.messages...)
			code := r.c.Change(r.group, r.topic, r.messages[0], time.Second).GetStatus().GetCode()
			if messages, _ := r.c.Next(r.group, r.topic, minInvisible); len(messages) > 0 {
				e.Stop(code.String() + ", and comes again")
			}
			e.Saw(code.String())
		}},
		{"AS5", "the assignment of a topic that does not exist", Either, func(e *Env) {
			e.Saw(e.Client().Assignment(e.Group(), e.Name("missing")).GetStatus().GetCode().String())
		}},
		{"SE35", "a send to the dead letters of a group that has none", Either, func(e *Env) {
			e.Saw(e.Client().Code(e.Message(deadLetterTopic(e.Group()), "body")).String())
		}},
	}
}

func forgedAck(id, doc string, field int, value string) Row {
	return Row{id, doc, Either, func(e *Env) {
		r := e.popped("body")
		e.Saw(r.c.Ack(r.group, r.topic, forged(r.messages[0], field, value)).GetStatus().GetCode().String())
	}}
}

func forgedChange(id, doc string, field int, value string) Row {
	return Row{id, doc, Either, func(e *Env) {
		r := e.popped("body")
		e.Saw(r.c.Change(r.group, r.topic, forged(r.messages[0], field, value), minInvisible).GetStatus().GetCode().String())
	}}
}

// forged returns a message with the handle of another, one field of it replaced.
func forged(m *v2.Message, field int, value string) *v2.Message {
	fields := strings.Split(handleOf(m), " ")
	fields[field] = value
	return unreceived(strings.Join(fields, " "))
}
