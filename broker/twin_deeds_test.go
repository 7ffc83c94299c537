package broker_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

// fullBacklog is how much a group may have to settle for something to be sent: less than a receive
// takes, which so takes all, in whatever order that comes.
const fullBacklog = 16

func ordinaryTopics() []string { return []string{"N", "F", "P", "D"} }

// readers are the groups that read a topic.
func readers(topic string) []string {
	return map[string][]string{
		"N": {"G", "twice", "steady"}, "F": {"O", "ordered-twice"}, "P": {"G"}, "D": {"twice"},
	}[topic]
}

// deed decides what to do next.
func (t *twins) deed() deed {
	switch t.random.IntN(15) {
	case 0, 1, 2, 3:
		return t.send()
	case 4, 5, 6:
		return t.receive()
	case 7, 8:
		return t.receiveLite()
	case 9:
		return t.subscribe()
	case 10:
		return t.change()
	case 11:
		return t.forward()
	default:
		return t.ack()
	}
}

func (t *twins) one(of ...string) string { return of[t.random.IntN(len(of))] }

// seconds gives a time of so many seconds. It is in hundredths, so that nothing becomes due while a
// receive waits, which is a thousandth.
func (t *twins) seconds(from, to int) time.Duration {
	return time.Duration(100*from+t.random.IntN(100*(to-from))) * 10 * time.Millisecond
}

func (t *twins) send() deed {
	if t.most(func(p broker.Progress) int64 { return p.Backlog }) >= fullBacklog {
		return t.receive()
	}
	if t.random.IntN(20) == 0 {
		return t.flood()
	}
	t.sent++
	topic := t.one("N", "N", "F", "F", "P", "D", "L", "L", "L")
	m := message(topic, topic+strconv.Itoa(t.sent), "body")
	withTag(t.one("A", "B"))(m)
	switch topic {
	case "F":
		withGroup("g")(m)
	case "P":
		withPriority(int32(t.random.IntN(4)))(m)
	case "D":
		deliverIn(t.seconds(0, 60))(m)
	case "L":
		lite(t.one("a", "b", "c", "d"))(m)
	}
	return deed{atomic: topic != "D", do: func(s *side) (outcome, error) { return s.take(m) }}
}

func (s *side) take(messages ...*v2.Message) (outcome, error) {
	answer, err := s.stub.SendMessage(s.ctx, &v2.SendMessageRequest{Messages: messages})
	return outcome{says: []string{answer.GetStatus().String()}}, err
}

// flood sends more than is retained, and the groups pass it all by.
func (t *twins) flood() deed {
	var messages []*v2.Message
	for range 300 {
		t.sent++
		m := message("N", "N"+strconv.Itoa(t.sent), "body")
		withTag("flood")(m)
		messages = append(messages, m)
	}
	return deed{do: func(s *side) (outcome, error) {
		o, err := s.take(messages...)
		for _, group := range readers("N") {
			s.receive(s.request(group, "N", polling(time.Millisecond), tags("nothing of this")))
		}
		return o, err
	}}
}

// receive lets a group receive. One that is not ordered takes all that there is, as it may come in any
// order; but for "steady", which acknowledges at once, so that nothing comes back.
func (t *twins) receive() deed {
	topic := t.one("N", "N", "F", "F", "P", "D")
	group := t.one(readers(topic)...)
	inOrder := topic == "F" || group == "steady"
	repeats := inOrder && t.random.IntN(2) == 0
	change := t.changes(inOrder, repeats)
	d := t.receiving(group, topic, inOrder, func(s *side) ([]*v2.ReceiveMessageResponse, error) {
		return s.frames(s.ctx, s.request(group, topic, change...))
	})
	d.atomic = group == "O" && !repeats // the others may bury what they find
	if group == "steady" {
		d.then = func(of [2]outcome) {
			t.both(func(s *side) {
				if got := of[s.number].messages; len(got) > 0 {
					s.ack(group, topic, handles(got...)...)
				}
			})
		}
	}
	return d
}

// changes varies a receive, to be of some messages or all, and perhaps the same as one before.
func (t *twins) changes(some, repeats bool) []func(*v2.ReceiveMessageRequest) {
	all := []func(*v2.ReceiveMessageRequest){polling(time.Millisecond), invisible(t.seconds(10, 40))}
	if t.random.IntN(4) == 0 {
		all = append(all, tags(t.one("A", "B")))
	}
	if some {
		all = append(all, batch(int32(1+t.random.IntN(5))))
	}
	if repeats {
		all = append(all, attempt(t.one("x", "y", "z")))
	}
	if !t.breaks && t.random.IntN(5) == 0 {
		all = append(all, autoRenew)
	}
	return all
}

// receiving receives, and keeps what both have got.
func (t *twins) receiving(
	group, topic string, inOrder bool, receive func(s *side) ([]*v2.ReceiveMessageResponse, error),
) deed {
	return deed{do: func(s *side) (outcome, error) {
		frames, err := receive(s)
		if err != nil {
			return outcome{}, err
		}
		got := messagesOf(frames)
		if !inOrder {
			slices.SortFunc(got, func(a, b *v2.Message) int { return cmp.Compare(named(a), named(b)) })
		}
		o := outcome{says: []string{frames[0].GetStatus().String()}, messages: got}
		for _, m := range got {
			o.says = append(o.says, named(m))
		}
		return o, nil
	}, then: func(of [2]outcome) {
		for i, m := range of[0].messages {
			t.held = append(t.held, &delivered{group, topic, [2]*v2.Message{m, of[1].messages[i]}})
		}
		t.held = t.held[max(0, len(t.held)-20):]
	}}
}

func named(m *v2.Message) string {
	sp := m.GetSystemProperties()
	return fmt.Sprintf("%s %s/%d", sp.GetLiteTopic(), sp.GetMessageId(), sp.GetDeliveryAttempt())
}

// settling gives a deed that is done to a message that was received.
func (t *twins) settling(do func(d *delivered, handle string, lite *string, s *side) (outcome, error)) deed {
	if len(t.held) == 0 {
		return t.send()
	}
	d := t.held[t.random.IntN(len(t.held))]
	return deed{atomic: true, do: func(s *side) (outcome, error) {
		sp := d.messages[s.number].GetSystemProperties()
		return do(d, sp.GetReceiptHandle(), sp.LiteTopic, s)
	}}
}

func (t *twins) ack() deed {
	return t.settling(func(d *delivered, handle string, lite *string, s *side) (outcome, error) {
		answer, err := s.stub.AckMessage(s.ctx, &v2.AckMessageRequest{
			Group: resource(d.group), Topic: resource(d.topic),
			Entries: []*v2.AckMessageEntry{{MessageId: "m", ReceiptHandle: handle, LiteTopic: lite}},
		})
		return outcome{says: []string{answer.GetStatus().String()}}, err
	})
}

func (t *twins) forward() deed {
	return t.settling(func(d *delivered, handle string, lite *string, s *side) (outcome, error) {
		answer, err := s.stub.ForwardMessageToDeadLetterQueue(s.ctx, &v2.ForwardMessageToDeadLetterQueueRequest{
			Group: resource(d.group), Topic: resource(d.topic), MessageId: "m", ReceiptHandle: handle, LiteTopic: lite,
		})
		return outcome{says: []string{answer.GetStatus().String()}}, err
	})
}

// change sets when a message is visible again. Its old handle is as good as any.
func (t *twins) change() deed {
	suspend, adopt, in := t.random.IntN(2) == 0, t.random.IntN(2) == 0, durationpb.New(t.seconds(0, 40))
	var is [2]string
	var what *delivered
	d := t.settling(func(d *delivered, handle string, lite *string, s *side) (outcome, error) {
		if s.number == 0 { // for both
			what = d
		}
		answer, err := s.stub.ChangeInvisibleDuration(s.ctx, &v2.ChangeInvisibleDurationRequest{
			Group: resource(d.group), Topic: resource(d.topic), MessageId: "m", ReceiptHandle: handle, LiteTopic: lite,
			InvisibleDuration: in, Suspend: &suspend,
		})
		is[s.number] = answer.GetReceiptHandle()
		return outcome{says: []string{answer.GetStatus().String()}}, err
	})
	d.atomic = false // it is seen later
	d.then = func([2]outcome) {
		if adopt && what != nil && is[0] != "" {
			for i := range is {
				what.messages[i].SystemProperties.ReceiptHandle = &is[i]
			}
		}
	}
	return d
}
