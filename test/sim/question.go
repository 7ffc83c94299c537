package sim

import (
	"context"
	"fmt"
	"path"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// A question is a request on its way to the broker. The ledger sees what it asks for and what comes of
// it, whether or not the client learns of that.
type question struct {
	w        *world
	method   string
	metadata metadata.MD
	request  proto.Message
}

// ask lets the broker answer.
func (q question) ask(ctx context.Context, conn grpc.ClientConnInterface, answer any) error {
	q.before()
	if err := conn.Invoke(ctx, q.method, q.request, answer); err != nil {
		q.w.note("%s %s: %v", path.Base(q.method), q.about(), err)
		q.unclear()
		return err
	}
	q.after(answer)
	switch q.request.(type) {
	case *v2.SendMessageRequest, *v2.AckMessageRequest:
		q.w.host.answered()
	}
	return nil
}

// sent tells the ledger what a member asks for, whenever that comes to the broker.
func (q question) sent() {
	switch r := q.request.(type) {
	case *v2.ChangeInvisibleDurationRequest:
		q.w.ledger.handsBack(r.GetReceiptHandle(), "handed back")
	case *v2.ForwardMessageToDeadLetterQueueRequest:
		q.w.ledger.handsBack(r.GetReceiptHandle(), "moved to the dead letters")
	}
}

// before tells the ledger what is to be done.
func (q question) before() {
	if r, ok := q.request.(*v2.AckMessageRequest); ok {
		for _, e := range r.GetEntries() {
			q.w.ledger.acknowledges(e.GetReceiptHandle())
		}
	}
}

// after tells the ledger what was done.
func (q question) after(answer any) {
	switch a := answer.(type) {
	case *v2.SendMessageResponse:
		messages := q.request.(*v2.SendMessageRequest).GetMessages()
		for i, e := range a.GetEntries() {
			if ok(e.GetStatus()) {
				q.stored(messages[i])
			}
		}
		q.noteWith(a.GetStatus())
	case *v2.AckMessageResponse:
		for _, e := range a.GetEntries() {
			if ok(e.GetStatus()) {
				q.w.ledger.acknowledged(e.GetReceiptHandle())
			}
		}
		q.noteWith(a.GetStatus())
	case *v2.ChangeInvisibleDurationResponse:
		q.w.ledger.renewed(q.request.(*v2.ChangeInvisibleDurationRequest).GetReceiptHandle(), a.GetReceiptHandle())
		q.noteWith(a.GetStatus())
	case *v2.ForwardMessageToDeadLetterQueueResponse:
		q.noteWith(a.GetStatus())
	}
}

func ok(s *v2.Status) bool { return s.GetCode() == v2.Code_OK }

func (q question) noteWith(s *v2.Status) {
	q.w.note("%s %s: %v", path.Base(q.method), q.about(), s.GetCode())
}

// stored tells the ledger of a message that the broker has.
func (q question) stored(m *v2.Message) {
	it := itemOf(m.GetUserProperties(), m.GetSystemProperties().GetMessageGroup())
	switch topic := m.GetTopic().GetName(); {
	case isInput(topic):
		q.w.ledger.stored(it.Src)
	case topic == retryTopic:
		q.w.ledger.retryStored(m)
	default:
		q.w.ledger.arrives(topic, it)
	}
}

// unclear notes that whoever asks does not learn what is done.
func (q question) unclear() {
	r, ok := q.request.(*v2.SendMessageRequest)
	if !ok {
		return
	}
	for _, m := range r.GetMessages() {
		if topic := m.GetTopic().GetName(); isOutput(topic) {
			q.w.ledger.mayRepeat(topic, itemOf(m.GetUserProperties(), ""))
		}
	}
}

// about says what is asked for, for the trace.
func (q question) about() string {
	switch r := q.request.(type) {
	case *v2.SendMessageRequest:
		var all []string
		for _, m := range r.GetMessages() {
			it := itemOf(m.GetUserProperties(), "")
			all = append(all, fmt.Sprintf("%d:%x", it.Src, it.ID))
		}
		return r.GetMessages()[0].GetTopic().GetName() + " " + strings.Join(all, " ")
	case *v2.AckMessageRequest:
		var all []string
		for _, e := range r.GetEntries() {
			all = append(all, q.w.ledger.name(e.GetReceiptHandle()))
		}
		return strings.Join(all, " ")
	case *v2.ChangeInvisibleDurationRequest:
		return fmt.Sprintf("%s for %v", q.w.ledger.name(r.GetReceiptHandle()), r.GetInvisibleDuration().AsDuration())
	case *v2.ForwardMessageToDeadLetterQueueRequest:
		return q.w.ledger.name(r.GetReceiptHandle())
	}
	return ""
}
