package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// latest is how late the latest delayed message is.
const latest = 4 * time.Second

// send sends a message or several of one kind.
func (u *user) send(ctx context.Context, topic string) error {
	kind, single := u.kind(topic)
	n := 1
	if !single && u.die.IntN(3) == 0 {
		n += u.die.IntN(5)
	}
	all, sequences := make([]*v2.Message, n), make([]int, n)
	for i := range all {
		id := fmt.Sprint(u.id, ".", u.sentSoFar)
		u.sentSoFar++
		all[i] = message(topic, id, crashBody(id))
		all[i].SystemProperties.Tag = new([]string{"A", "B"}[u.die.IntN(2)])
		kind(all[i].SystemProperties)
		series := seriesOf(all[i])
		sequences[i] = u.sequences[series]
		u.sequences[series]++
	}
	u.sending(all, sequences)
	answer, err := u.stub.SendMessage(ctx, &v2.SendMessageRequest{Messages: all})
	if err != nil {
		return err
	}
	u.sent(all, answer)
	u.remember(all[0].GetSystemProperties(), answer)
	return nil
}

// kind gives what makes messages such as a topic takes, and tells whether they are sent alone.
func (u *user) kind(topic string) (kind func(*v2.SystemProperties), single bool) {
	switch topic {
	case crashOrdered:
		group := fmt.Sprint(u.id, "-", u.die.IntN(2))
		return func(sp *v2.SystemProperties) { sp.MessageGroup = &group }, false
	case crashLite:
		name := crashLiteTopics[u.die.IntN(len(crashLiteTopics))]
		return func(sp *v2.SystemProperties) { sp.LiteTopic = &name }, false
	case crashDelayed:
		at := time.Now().Add(time.Duration(u.die.Int64N(int64(latest))))
		return func(sp *v2.SystemProperties) { sp.DeliveryTimestamp = timestamppb.New(at) }, true
	case crashTransacted:
		return func(sp *v2.SystemProperties) { sp.MessageType = v2.MessageType_TRANSACTION }, true
	}
	return func(*v2.SystemProperties) {}, false
}

// seriesOf tells which messages of a client are in order.
func seriesOf(m *v2.Message) string {
	sp := m.GetSystemProperties()
	client, _, _ := strings.Cut(sp.GetMessageId(), ".")
	switch {
	case sp.GetMessageGroup() != "":
		return sp.GetMessageGroup()
	case sp.GetLiteTopic() != "":
		return client + " in " + sp.GetLiteTopic()
	}
	return ""
}

// remember notes what is to be decided of a message that waits.
func (u *user) remember(sp *v2.SystemProperties, answer *v2.SendMessageResponse) {
	if answer.GetStatus().GetCode() != v2.Code_OK {
		return
	}
	if handle := answer.GetEntries()[0].GetRecallHandle(); handle != "" {
		// In the second of its time a message is recalled no more.
		u.later = append(u.later, delayed{sp.GetMessageId(), handle, sp.GetDeliveryTimestamp().AsTime().Add(-time.Second)})
	}
	if sp.GetMessageType() == v2.MessageType_TRANSACTION {
		u.halves = append(u.halves, sp.GetMessageId())
	}
}

// decide ends a transaction, or recalls a message.
func (u *user) decide(ctx context.Context) error {
	if len(u.halves) > 0 && u.die.IntN(3) > 0 {
		return u.end(ctx)
	}
	const margin = 100 * time.Millisecond // for the request to be there in time
	now := time.Now().Add(margin)
	u.later = slices.DeleteFunc(u.later, func(d delayed) bool { return d.until.Before(now) })
	if len(u.later) == 0 {
		return nil
	}
	d := u.later[0]
	u.later = u.later[1:]
	u.deciding(d.id, toWithdraw)
	answer, err := u.stub.RecallMessage(ctx, &v2.RecallMessageRequest{Topic: resource(crashDelayed), RecallHandle: d.handle})
	if err != nil {
		return err
	}
	u.decided(d.id, toWithdraw, answer.GetStatus())
	return nil
}

// end ends the oldest transaction. If that is not answered it is not tried again, as it can be ended once.
func (u *user) end(ctx context.Context) error {
	id := u.halves[0]
	u.halves = u.halves[1:]
	by, resolution := toDeliver, v2.TransactionResolution_COMMIT
	if u.die.IntN(3) == 0 {
		by, resolution = toWithdraw, v2.TransactionResolution_ROLLBACK
	}
	u.deciding(id, by)
	answer, err := u.stub.EndTransaction(ctx, &v2.EndTransactionRequest{
		Topic: resource(crashTransacted), MessageId: id, TransactionId: id, Resolution: resolution,
	})
	if err != nil {
		return err
	}
	u.decided(id, by, answer.GetStatus())
	return nil
}

// endAll ends all open transactions.
func (u *user) endAll(ctx context.Context) error {
	for len(u.halves) > 0 {
		if err := u.end(ctx); err != nil {
			return err
		}
	}
	return nil
}
