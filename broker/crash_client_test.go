package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A user is one client, which goes on when the broker is back. It does things at random.
type user struct {
	*ledger
	id       string
	die      *rand.Rand
	topics   []string // that it sends to
	readings []reading
	lite     bool // it is a client of lite topics

	stub  v2.MessagingServiceClient                // of the present life
	order func() func(topic, lane string) []string // likewise: see receipt
	leave context.CancelFunc                       // likewise: ends the telemetry stream

	sentSoFar int            // counts messages
	sequences map[string]int // the next of each of its series
	later     []delayed
	halves    []string  // ids of open transactions
	pulled    []advance // by queue
	held      []*delivery
	attempts  map[reading]string // the attempt of an ordered group that was not answered
}

// A delayed message can be recalled until its time.
type delayed struct {
	id, handle string
	until      time.Time
}

// A delivery is a message that a user has received.
type delivery struct {
	reading
	id, handle string
	liteTopic  *string
	suspended  int       // how often its lite topic had been so when it was asked for
	until      time.Time // it can be settled
	intent     intent    // what was not answered, and is to be asked for again
}

// An intent is how a delivery is to be settled.
type intent int

const (
	undecided intent = iota
	toAck
	toForward
)

// newUser gives a client of all but lite topics.
func newUser(l *ledger, id string, die *rand.Rand) *user {
	return newUserOf(l, id, die, false)
}

// newLiteUser gives a client of lite topics.
func newLiteUser(l *ledger, id string, die *rand.Rand) *user {
	return newUserOf(l, id, die, true)
}

func newUserOf(l *ledger, id string, die *rand.Rand, lite bool) *user {
	u := &user{ledger: l, id: id, die: die, lite: lite, sequences: make(map[string]int), attempts: make(map[reading]string)}
	for range 4 {
		u.pulled = append(u.pulled, advance{told: -1})
	}
	for _, t := range crashTopics {
		if (t.Type == broker.Lite) == lite {
			u.topics = append(u.topics, t.Name)
		}
	}
	for _, r := range crashReadings {
		if r.lite() == lite {
			u.readings = append(u.readings, r)
		}
	}
	return u
}

// reach lets the user go on with another broker, which it tells what it is.
func (u *user) reach(l *life) error {
	u.stub, u.order = v2.NewMessagingServiceClient(l.conn), l.order
	settings := consumer("shared")
	if u.lite {
		settings = liteSettings("lite", crashLite)
	}
	ctx, leave := context.WithCancel(as(u.id))
	u.leave = leave
	stream, err := u.stub.Telemetry(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: settings}}); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil || !u.lite {
		return err
	}
	answer, err := u.stub.SyncLiteSubscription(ctx, &v2.SyncLiteSubscriptionRequest{
		Action: v2.LiteSubscriptionAction_PARTIAL_ADD, Topic: resource(crashLite), Group: resource("lite"), LiteTopicSet: crashLiteTopics,
	})
	if err == nil && answer.GetStatus().GetCode() != v2.Code_OK {
		return fmt.Errorf("lite topics cannot be subscribed to: %v", answer.GetStatus())
	}
	return err
}

// step does one thing. It fails if that is not answered.
func (u *user) step() error {
	ctx, cancel := context.WithTimeout(as(u.id), time.Minute)
	defer cancel()
	switch n := u.die.IntN(15); {
	case n < 4:
		return u.send(ctx, u.topics[u.die.IntN(len(u.topics))])
	case n < 7:
		return u.receive(ctx, u.readings[u.die.IntN(len(u.readings))])
	case n < 11:
		return u.settle(ctx)
	case n < 12:
		return u.change(ctx)
	case n < 13:
		return u.decide(ctx)
	case n < 14 && !u.lite:
		return u.pull(ctx)
	default:
		time.Sleep(time.Duration(u.die.IntN(1000)) * time.Millisecond)
		return nil
	}
}

// receive receives for a group. To an ordered one it repeats the attempt that was not answered.
func (u *user) receive(ctx context.Context, from reading) error {
	invisible := time.Second + time.Duration(u.die.IntN(5000))*time.Millisecond
	req := &v2.ReceiveMessageRequest{
		Group: resource(from.group), MessageQueue: &v2.MessageQueue{Topic: resource(from.topic)},
		BatchSize: int32(1 + u.die.IntN(8)), InvisibleDuration: durationpb.New(invisible),
		LongPollingTimeout: durationpb.New(time.Duration(u.die.IntN(500)) * time.Millisecond),
	}
	if from.tag != "" {
		req.FilterExpression = &v2.FilterExpression{Expression: from.tag, Type: v2.FilterType_TAG}
	}
	if u.die.IntN(5) == 0 {
		// Within the minute of a renewal its client may be there too late, after a crash.
		req.AutoRenew, req.InvisibleDuration, invisible = true, nil, 50*time.Second
	}
	if from.inOrder && !from.lite() {
		if u.attempts[from] == "" {
			u.attempts[from] = fmt.Sprint(u.id, "-", u.die.Uint32())
		}
		req.AttemptId = new(u.attempts[from])
	}
	before := make(map[string]int)
	for _, name := range crashLiteTopics {
		before[name] = u.suspended(&name)
	}
	r := receipt{reading: from, asked: time.Now(), invisible: invisible, order: u.order()}
	err := u.read(ctx, req, &r)
	u.received(r)
	if err != nil {
		return err
	}
	delete(u.attempts, from)
	for _, m := range r.got {
		sp := m.GetSystemProperties()
		u.held = append(u.held, &delivery{
			reading: from, id: sp.GetMessageId(), liteTopic: sp.LiteTopic, suspended: before[sp.GetLiteTopic()],
			handle: sp.GetReceiptHandle(), until: r.asked.Add(invisible),
		})
	}
	return nil
}

// read reads the answer to a receive.
func (u *user) read(ctx context.Context, req *v2.ReceiveMessageRequest, r *receipt) error {
	stream, err := u.stub.ReceiveMessage(ctx, req)
	if err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			r.whole = true
			return nil
		}
		if err != nil {
			return err
		}
		if m := frame.GetMessage(); m != nil {
			r.got = append(r.got, m)
		}
	}
}

// settle acknowledges some of what is held, or forwards one message to the dead letters.
func (u *user) settle(ctx context.Context) error {
	d, ok := u.pick()
	switch {
	case !ok:
		return nil
	case d.intent == toForward || d.intent == undecided && u.die.IntN(8) == 0:
		return u.forward(ctx, d)
	}
	some := u.drop(func(other *delivery) bool {
		return other.reading == d.reading && other.intent != toForward && (other == d || u.die.IntN(3) > 0)
	})
	if err := u.acknowledge(ctx, d.reading, some); err != nil {
		u.keep(toAck, some...)
		return err
	}
	return nil
}

// acknowledge acknowledges deliveries of one group and topic.
func (u *user) acknowledge(ctx context.Context, from reading, some []*delivery) error {
	req := &v2.AckMessageRequest{Group: resource(from.group), Topic: resource(from.topic)}
	for _, d := range some {
		req.Entries = append(req.Entries, &v2.AckMessageEntry{MessageId: d.id, ReceiptHandle: d.handle, LiteTopic: d.liteTopic})
	}
	u.acking(from.group, some...)
	answer, err := u.stub.AckMessage(ctx, req)
	if err != nil {
		return err
	}
	for i, e := range answer.GetEntries() {
		u.settled(from.group, some[i], e.GetStatus(), toAck)
	}
	return nil
}

func (u *user) forward(ctx context.Context, d *delivery) error {
	u.drop(func(other *delivery) bool { return other == d })
	u.acking(d.group, d)
	answer, err := u.stub.ForwardMessageToDeadLetterQueue(ctx, &v2.ForwardMessageToDeadLetterQueueRequest{
		Group: resource(d.group), Topic: resource(d.topic), MessageId: d.id, ReceiptHandle: d.handle, LiteTopic: d.liteTopic,
	})
	if err != nil {
		u.keep(toForward, d)
		return err
	}
	u.settled(d.group, d, answer.GetStatus(), toForward)
	return nil
}

// change lets a message be visible again at another time. If that is not answered its handle may be
// void, so it is held no more.
func (u *user) change(ctx context.Context) error {
	d, ok := u.pick()
	if !ok || d.intent != undecided {
		return nil
	}
	u.drop(func(other *delivery) bool { return other == d })
	// Of what somebody else suspends a user learns before it comes again.
	free, until := u.die.IntN(2) == 0, time.Second+time.Duration(u.die.IntN(5000))*time.Millisecond
	d.suspended += u.changing(d, free)
	asked := time.Now()
	answer, err := u.stub.ChangeInvisibleDuration(ctx, &v2.ChangeInvisibleDurationRequest{
		Group: resource(d.group), Topic: resource(d.topic), MessageId: d.id, ReceiptHandle: d.handle, LiteTopic: d.liteTopic,
		InvisibleDuration: durationpb.New(until), Suspend: &free,
	})
	d.suspended += u.changing(d, free)
	if err != nil {
		return err
	}
	d.handle, d.until = answer.GetReceiptHandle(), asked.Add(until)
	u.changed(d, answer, d.until, free)
	u.keep(undecided, d)
	return nil
}

// pick gives something that is held and can be settled still.
func (u *user) pick() (*delivery, bool) {
	const margin = 200 * time.Millisecond // for the request to be there in time
	limit := time.Now().Add(margin)
	u.drop(func(d *delivery) bool { return d.until.Before(limit) || d.suspended != u.suspended(d.liteTopic) })
	if len(u.held) == 0 {
		return nil, false
	}
	return u.held[u.die.IntN(len(u.held))], true
}

// drop takes out of what is held all that is as described.
func (u *user) drop(is func(*delivery) bool) (dropped []*delivery) {
	u.held = slices.DeleteFunc(u.held, func(d *delivery) bool {
		if is(d) {
			dropped = append(dropped, d)
			return true
		}
		return false
	})
	return dropped
}

// keep holds deliveries that are to be settled in some way.
func (u *user) keep(by intent, all ...*delivery) {
	for _, d := range all {
		d.intent = by
	}
	u.held = append(u.held, all...)
}
