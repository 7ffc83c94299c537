package client

import (
	"math"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// RetryPolicy says how long to wait before an attempt is repeated. Its zero value does not wait.
type RetryPolicy struct {
	// Steps, if there are any, are the waits one by one; the last is repeated.
	Steps []time.Duration
	// Otherwise the first wait is Initial, and each is Multiplier times the one before, up to Max.
	Initial, Max time.Duration
	Multiplier   float64
}

// Delay returns the wait after the attempt of the given number, counted from 1. Lower numbers count
// as 1.
func (p RetryPolicy) Delay(attempt int) time.Duration {
	attempt = max(attempt, 1)
	if n := len(p.Steps); n > 0 {
		return max(0, p.Steps[min(attempt, n)-1])
	}
	wait := float64(p.Initial) * math.Pow(p.Multiplier, float64(attempt-1))
	switch {
	case wait >= float64(p.Max):
		return max(p.Max, 0)
	case wait > 0:
		return time.Duration(wait)
	default: // not a number included
		return 0
	}
}

// retryPolicyOf reads what the server sent; an empty one gives the fallback.
func retryPolicyOf(p *v2.RetryPolicy, fallback RetryPolicy) RetryPolicy {
	if e := p.GetExponentialBackoff(); durationOf(e.GetInitial()) > 0 {
		return RetryPolicy{
			Initial: durationOf(e.GetInitial()), Max: durationOf(e.GetMax()), Multiplier: float64(e.GetMultiplier()),
		}
	}
	next := p.GetCustomizedBackoff().GetNext()
	if len(next) == 0 {
		return fallback
	}
	steps := make([]time.Duration, len(next))
	for i, d := range next {
		steps[i] = durationOf(d)
	}
	return RetryPolicy{Steps: steps}
}

// durationOf returns 0 for a duration that is missing, impossible or negative.
func durationOf(d *durationpb.Duration) time.Duration {
	if d.CheckValid() != nil {
		return 0
	}
	return max(0, d.AsDuration())
}

// ConsumerSettings is what the server lays down for a consumer group.
type ConsumerSettings struct {
	FIFO bool // the group consumes message groups in order
	// MaxAttempts is after how many deliveries a message goes to the dead letters; 0 if the server
	// did not say.
	MaxAttempts int
	// Backoff says how long a message that could not be consumed should stay away.
	Backoff RetryPolicy
	// ReceiveBatchSize is how many messages one poll brings at most; 0 if the server did not say.
	ReceiveBatchSize int
	// LongPolling is how long the server would have a poll wait; 0 if it did not say.
	LongPolling time.Duration
	// LiteTopics is to how many lite topics one consumer may subscribe, and LiteTopicLength of how many
	// bytes the name of one may be; 0 if the server did not say.
	LiteTopics, LiteTopicLength int
}

func consumerSettingsOf(s *v2.Settings) *ConsumerSettings {
	sub := s.GetSubscription()
	return &ConsumerSettings{
		FIFO:             sub.GetFifo(),
		MaxAttempts:      max(0, int(s.GetBackoffPolicy().GetMaxAttempts())),
		Backoff:          retryPolicyOf(s.GetBackoffPolicy(), RetryPolicy{}),
		ReceiveBatchSize: max(0, int(sub.GetReceiveBatchSize())),
		LongPolling:      durationOf(sub.GetLongPollingTimeout()),
		LiteTopics:       max(0, int(sub.GetLiteSubscriptionQuota())),
		LiteTopicLength:  max(0, int(sub.GetMaxLiteTopicSize())),
	}
}

// producerSettings is what the server lays down for producers.
type producerSettings struct {
	maxBody  int
	validate bool // messages must be of a type that their topic takes
	backoff  RetryPolicy
}

func defaultProducerSettings() *producerSettings {
	return &producerSettings{
		maxBody: defaultMaxBody,
		backoff: RetryPolicy{Initial: 10 * time.Millisecond, Max: time.Second, Multiplier: 2},
	}
}

// producerSettingsOf takes from the server the waits between attempts, but not their number, which
// is the user's; and no limit that would refuse every message.
func producerSettingsOf(s *v2.Settings) *producerSettings {
	p := defaultProducerSettings()
	p.validate = s.GetPublishing().GetValidateMessageType()
	p.backoff = retryPolicyOf(s.GetBackoffPolicy(), p.backoff)
	if n := int(s.GetPublishing().GetMaxBodySize()); n > 0 {
		p.maxBody = n
	}
	return p
}
