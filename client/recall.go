package client

import (
	"context"
	"errors"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// Recall takes back a delayed message that is not due yet, by the handle of its [Receipt]; it is then
// never delivered. It returns the id of the message. A message can be recalled by any producer, not
// only by the one that sent it.
//
// A refusal is [ErrNotRecalled]: the message is due already, the handle is not one of this topic, or
// the server does not recall at all, which is the default of RocketMQ (recallMessageEnable). A
// success means that the server will drop the message when it comes across it; it does not say that
// there was such a message. One that is due within the next moments may be delivered all the same.
// What may pass is tried again, as by [Producer.Send]: to recall twice does no harm.
func (p *Producer) Recall(ctx context.Context, topic, handle string) (messageID string, err error) {
	if err := p.begin(); err != nil {
		return "", err
	}
	defer p.pending.Done()
	if err := checkTopic(topic); err != nil {
		return "", err
	}
	if blank(handle) {
		return "", illegal(ErrNotRecalled, "recall handle", "is empty: only the receipt of a delayed message has one")
	}
	request := &v2.RecallMessageRequest{Topic: p.client.resource(topic), RecallHandle: handle}
	err = p.repeat(ctx, retryable, func() error {
		a, _, err := invoke(ctx, &p.member.identity, p.client.access, call{"recall a message of", topic},
			v2.MessagingServiceClient.RecallMessage, request)
		if err == nil {
			messageID = a.GetMessageId()
		}
		return notRecalled(err)
	})
	return messageID, err
}

// repeat makes attempts until one succeeds, fails for good, or is the last.
func (p *Producer) repeat(ctx context.Context, may func(error) bool, attempt func() error) error {
	for n := 1; ; n++ {
		err := attempt()
		if err == nil || !may(err) {
			return err
		}
		if n >= p.cfg.maxAttempts {
			return p.exhausted(err, n)
		}
		if err := p.pause(ctx, err, n, true); err != nil {
			return err
		}
	}
}

// notRecalled recognizes by its words what the server has no code for. Where a server words it
// otherwise, the kind is that of its code.
func notRecalled(err error) error {
	var refused *StatusError
	if !errors.As(err, &refused) || !errors.Is(err, ErrInternal) {
		return err
	}
	var advice string
	switch words := refused.Message; {
	case strings.Contains(words, "operation is forbidden"):
		advice = "set recallMessageEnable in the broker"
	case strings.Contains(words, "timestamp invalid"):
		advice = "it is due, or has been delivered"
	case strings.Contains(words, "topic not match"):
		advice = "name the topic that the message was sent to"
	case strings.Contains(words, "handle is invalid"):
		advice = "use the handle of the receipt as it is"
	case !strings.Contains(words, "recall failed"):
		return err
	}
	return refused.as(ErrNotRecalled, advice)
}
