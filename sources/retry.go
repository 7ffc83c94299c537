package sources

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Properties that sinks.RetryTopic adds to a message. The two packages do not know each other.
const (
	propertyRetries      = "rocketflow-retries"
	propertyTopic        = "rocketflow-topic"
	propertyMessageID    = "rocketflow-message-id"
	propertyMessageGroup = "rocketflow-message-group"
	propertyBornTime     = "rocketflow-born-time"
)

// RetryTopic receives, for a consumer group, the messages that sinks.RetryTopic has sent to a topic of type
// DELAY, when their time has come. Topic and group must exist. A message is what it was when it failed:
// with the topic, id, message group and born time that it had, so that the same stages deal with it. Its
// properties tell how often it has come this way, and why it failed last.
//
// Each time that it came this way counts as an attempt (see [stage.Info]). So windows, joins and tables know
// that it comes again: it counts once, is not late by that, and does not set a table back. They remember what
// may come again for as long as the longest delay of a sinks.RetryTopic of their pipeline, and a quarter more.
//
// It is a [RocketMQ] source in all else: merge it with the one that the messages were received from.
func RetryTopic(c *client.Client, topic, group string, opts ...RocketMQOption) stage.Source[*client.Message] {
	return retrySource{RocketMQ(c, topic, group, opts...)}
}

type retrySource struct{ *RocketMQSource }

var _ stage.SourceDescriber = retrySource{}

// SourceTraits are those of the source, with the topic.
func (s retrySource) SourceTraits() stage.SourceTraits {
	t := s.RocketMQSource.SourceTraits()
	t.RetryTopic = s.topic
	return t
}

// Open opens a reader of the topic.
func (s retrySource) Open(ctx context.Context) (stage.Reader[*client.Message], error) {
	r, err := s.RocketMQSource.Open(ctx)
	if err != nil {
		return nil, err
	}
	return retryReader{r.(*rocketMQReader)}, nil
}

type retryReader struct{ *rocketMQReader }

var _ stage.SourceDescriber = retryReader{}

// Read gives the messages as they were.
func (r retryReader) Read(ctx context.Context) (stage.Batch[*client.Message], error) {
	b, err := r.rocketMQReader.Read(ctx)
	for i, m := range b.Values {
		b.Values[i] = original(m)
	}
	if info, values := b.Info, b.Values; info != nil {
		b.Info = func(i int) stage.Info {
			in := info(i)
			in.ID, in.EventTime = values[i].ID, values[i].BornTime
			in.Attempt += retriesOf(values[i])
			return in
		}
	}
	return b, err
}

// retriesOf tells how often a message has come this way: it was delivered as often before, at least.
func retriesOf(m *client.Message) int {
	n, err := strconv.Atoi(m.Properties[propertyRetries])
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// original makes of a message what it was. The copy leaves the delivery what it is, which is settled by
// its own topic and id.
func original(m *client.Message) *client.Message {
	was := *m
	was.Properties = maps.Clone(m.Properties)
	for property, field := range map[string]*string{
		propertyTopic: &was.Topic, propertyMessageID: &was.ID, propertyMessageGroup: &was.MessageGroup,
	} {
		if value, ok := was.Properties[property]; ok {
			*field = value
			delete(was.Properties, property)
		}
	}
	was.DeliveryTime = time.Time{}
	if ms, err := strconv.ParseInt(was.Properties[propertyBornTime], 10, 64); err == nil {
		was.BornTime = time.UnixMilli(ms)
		delete(was.Properties, propertyBornTime)
	}
	return &was
}
