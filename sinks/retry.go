package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Properties that [RetryTopic] adds to a message, beside those of [DeadLetterTopic].
const (
	PropertyRetries  = "rocketflow-retries"   // how often the message has come to a retry topic
	PropertyBornTime = "rocketflow-born-time" // when the message was sent at first, in ms since 1970
)

// RetryTopic sends what failed to a topic of type DELAY, which must exist, to come again later: after the
// first of the delays when it failed for the first time, and so on. What has failed more often goes to
// dead, as does at once what no retry can mend: a failure marked stage.Permanent, or a record that could
// not be decoded. It is for flow.DeadLetter, and [sources.RetryTopic] is how messages come back:
//
//	retry := sinks.RetryTopic(c, "flights-retry", sinks.DeadLetterTopic(c, "flights-dead"),
//		10*time.Second, time.Minute, 10*time.Minute)
//	flow.Merge(
//		flow.From(sources.RocketMQ(c, "flights", "etl")),
//		flow.From(sources.RetryTopic(c, "flights-retry", "etl-retry")),
//	).ParMap(8, load).OnError(flow.Retry(2, soon).Then(flow.DeadLetter(retry))).To(sink)
//
// So a failure waits in the server: it survives the process, holds up nothing, and no lease runs out. The
// message is acknowledged when its copy is stored; if the copy cannot be stored, it is handed back. A
// process that dies in between leaves both, so a message may come twice.
//
// A message is sent with its own body, tag, keys and properties, how often it has come here
// ([PropertyRetries]), what [sources.RetryTopic] needs to make it what it was, and the reason of the
// failure, if the protocol has room for that. Of a joint record, such as a batch, each message is sent by
// itself. The records must be messages: others are handed back.
//
// The record is then put off, not done: a Dedupe above the stage that fails does not mark it, and lets it pass
// when it comes again; a join gives again what it gave of it. But what fails in an optional branch of a
// Broadcast comes again through all of the pipeline, and for a Dedupe above that it is a duplicate: a pipeline
// that reads the topic above the two does not validate.
//
// Where a Broadcast has one branch that puts a record off and one that hands it back, it comes again both ways,
// each time as one message more. A branch that goes on handing back should therefore not stand beside a retry
// topic; where that is because of a Take or TakeWhile, a pipeline that reads the topic above the branches does
// not validate.
//
// Of a message group what failed comes after those behind it, which keep their order. Where all must, as of a
// FIFO group, use flow.Retry and flow.Nack.
func RetryTopic(c *client.Client, topic string, dead stage.Sink[stage.Failure], delays ...time.Duration) stage.RetrySink {
	return &retryTopic{again: RocketMQ(c, topic), topic: topic, dead: dead, delays: delays}
}

type retryTopic struct {
	again  *RocketMQSink[*client.Message]
	topic  string
	dead   stage.Sink[stage.Failure]
	delays []time.Duration
}

var (
	_ stage.SinkDescriber = (*retryTopic)(nil)
	_ stage.RetrySink     = (*retryTopic)(nil)
	_ stage.RetryNamer    = (*retryTopic)(nil)
)

// SinkTraits names the sink by its topic.
func (s *retryTopic) SinkTraits() stage.SinkTraits { return stage.SinkTraits{Name: "retry " + s.topic} }

// RetryTopic names the topic.
func (s *retryTopic) RetryTopic() string { return s.topic }

// Open opens the sink of dead letters as well.
func (s *retryTopic) Open(ctx context.Context) (stage.Writer[stage.Failure], error) {
	switch {
	case s.dead == nil:
		return nil, stage.Permanent(fmt.Errorf("sinks: retry by %q: there is no sink for what fails in the end: give one, such as DeadLetterTopic", s.topic))
	case len(s.delays) == 0 || slices.Min(s.delays) <= 0:
		return nil, stage.Permanent(fmt.Errorf("sinks: retry by %q: delays %v: at least one is needed, and each must be above 0", s.topic, s.delays))
	}
	again, err := s.again.Open(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := s.dead.Open(ctx)
	if err != nil {
		return nil, errors.Join(err, again.Close(ctx))
	}
	return &retryWriter{retryTopic: s, again: again, dead: dead}, nil
}

type retryWriter struct {
	*retryTopic
	again stage.Writer[*client.Message]
	dead  stage.Writer[stage.Failure]
}

// Write sends each failure on its way; a failure of which one message is not stored has failed.
func (w *retryWriter) Write(ctx context.Context, b stage.Batch[stage.Failure]) error {
	var failed stage.BatchError
	again, dead := part[*client.Message]{of: b}, part[stage.Failure]{of: b}
	for i, f := range b.Values {
		messages, err := w.messages(f)
		switch {
		case err != nil:
			failed.Fail(i, stage.Permanent(fmt.Errorf("sinks: retry by %q: %w", w.topic, err)))
		case messages == nil:
			dead.add(i, f)
		default:
			again.add(i, messages...)
		}
	}
	write(ctx, w.again, again, &failed)
	write(ctx, w.dead, dead, &failed)
	return failed.OrNil()
}

// ComesAgain tells whether a failure is sent to the retry topic, and not to the dead letters.
func (s *retryTopic) ComesAgain(f stage.Failure) bool {
	_, undecodable := errors.AsType[*stage.FaultError](f.Err)
	if undecodable || stage.IsPermanent(f.Err) {
		return false
	}
	for _, source := range membersOf(f) {
		if m, ok := source.(*client.Message); ok && m != nil && Retries(m) >= len(s.delays) {
			return false
		}
	}
	return true
}

// membersOf gives what was read for a failure.
func membersOf(f stage.Failure) []any {
	if f.Sources == nil {
		return []any{f.Source}
	}
	return f.Sources
}

// messages gives what is to come again of a failure; nil if it is one for the dead letters.
func (w *retryWriter) messages(f stage.Failure) ([]*client.Message, error) {
	if !w.ComesAgain(f) {
		return nil, nil
	}
	var all []*client.Message
	for _, source := range membersOf(f) {
		original, ok := source.(*client.Message)
		if !ok || original == nil {
			return nil, fmt.Errorf("the record is a %T, and only a message can come again", source)
		}
		n := Retries(original)
		m, err := retryLetter(original, f, n+1)
		if err != nil {
			return nil, err
		}
		m.DeliveryTime = time.Now().Add(w.delays[n])
		all = append(all, m)
	}
	return all, nil
}

// Retries tells how often a message has come by a [RetryTopic].
func Retries(m *client.Message) int {
	n, err := strconv.Atoi(m.Properties[PropertyRetries])
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// retryLetter makes the message that comes again. What it takes to make the original of it, and to count,
// has room in it, or it is an error.
func retryLetter(original *client.Message, f stage.Failure, retries int) (*client.Message, error) {
	m := &client.Message{Body: original.Body, Tag: original.Tag, Keys: original.Keys, TraceContext: original.TraceContext}
	must := map[string]string{PropertyRetries: strconv.Itoa(retries)}
	for key, value := range original.Properties {
		switch key {
		case PropertyRetries, PropertyStage, PropertyAttempt, PropertyError: // of the failure before
		default:
			must[key] = value
		}
	}
	for key, value := range map[string]string{
		PropertyTopic: original.Topic, PropertyMessageID: original.ID, PropertyMessageGroup: original.MessageGroup,
		PropertyBornTime: bornTime(original),
	} {
		if value != "" {
			must[key] = value
		}
	}
	p := propertySpace{properties: must, used: len(m.Tag) + len(strings.Join(m.Keys, ""))}
	for key, value := range must {
		p.used += len(key) + len(value)
	}
	if len(must) > maxProperties || p.used > maxPropertySize {
		return nil, fmt.Errorf("message %s has no room for the properties that count its retries", original.ID)
	}
	p.add(PropertyStage, f.Stage)
	p.add(PropertyAttempt, strconv.Itoa(f.Attempt))
	p.add(PropertyError, shorten(f.Err, maxErrorText))
	m.Properties = p.properties
	return m, nil
}

func bornTime(m *client.Message) string {
	if m.BornTime.IsZero() {
		return ""
	}
	return strconv.FormatInt(m.BornTime.UnixMilli(), 10)
}

// Close closes both writers.
func (w *retryWriter) Close(ctx context.Context) error {
	return errors.Join(w.again.Close(ctx), w.dead.Close(ctx))
}

// part is values that go to one of several writers, with the places in the batch that they come from.
type part[T any] struct {
	of     stage.Batch[stage.Failure]
	values []T
	at     []int
}

func (p *part[T]) add(i int, values ...T) {
	for _, v := range values {
		p.values, p.at = append(p.values, v), append(p.at, i)
	}
}

// write writes a part, and adds what has failed by the places of the batch.
func write[T any](ctx context.Context, w stage.Writer[T], p part[T], failed *stage.BatchError) {
	if len(p.values) == 0 {
		return
	}
	err := w.Write(ctx, stage.Batch[T]{Values: p.values, Info: func(i int) stage.Info { return p.of.At(p.at[i]) }})
	some, ok := errors.AsType[*stage.BatchError](err)
	switch {
	case err == nil:
	case ok && len(some.Failed) > 0:
		for i, err := range some.Failed {
			failed.Fail(p.at[i], err)
		}
	default:
		for _, i := range p.at {
			failed.Fail(i, err)
		}
	}
}
