package client

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// LiteOption adjusts a subscription to a lite topic: it says from where on the group reads it. A group
// has one position in a lite topic, which all its consumers share; it begins at the first message that
// the lite topic still has. The default is to go on from there. Of several options the last counts.
type LiteOption func(*liteStart)

// liteStart is where the group is to read on.
type liteStart struct {
	option *v2.OffsetOption // nil to say nothing about it
	fault  error
}

func newLiteStart(opts []LiteOption) (*v2.OffsetOption, error) {
	var s liteStart
	for _, opt := range opts {
		opt(&s)
	}
	return s.option, s.fault
}

// LastOffset goes on where the group has left off. It is the default.
func LastOffset() LiteOption { return policyOption(v2.OffsetOption_LAST) }

// MinOffset goes back to the first message that the lite topic still has.
func MinOffset() LiteOption { return policyOption(v2.OffsetOption_MIN) }

// MaxOffset passes over all that has been sent so far.
func MaxOffset() LiteOption { return policyOption(v2.OffsetOption_MAX) }

func policyOption(p v2.OffsetOption_Policy) LiteOption {
	return func(s *liteStart) {
		*s = liteStart{option: &v2.OffsetOption{OffsetType: &v2.OffsetOption_Policy_{Policy: p}}}
	}
}

// Offset goes to the message of a given offset, which is [Message.QueueOffset]; the first ever sent to a
// lite topic has 0. An offset beyond the last passes over all that has been sent so far.
func Offset(n int64) LiteOption {
	return func(s *liteStart) {
		*s = liteStart{fault: notNegative("offset", n),
			option: &v2.OffsetOption{OffsetType: &v2.OffsetOption_Offset{Offset: n}}}
	}
}

// TailN goes back by a number of messages. RocketMQ 5.5 counts them from where the group is, not from
// the end of the lite topic, and does nothing for a group that has not read the lite topic yet.
func TailN(n int64) LiteOption {
	return func(s *liteStart) {
		*s = liteStart{fault: notNegative("number of messages", n),
			option: &v2.OffsetOption{OffsetType: &v2.OffsetOption_TailN{TailN: n}}}
	}
}

// Timestamp goes to the first message stored at a time or later. RocketMQ 5.5 takes it and does nothing.
func Timestamp(t time.Time) LiteOption {
	return func(s *liteStart) {
		*s = liteStart{option: &v2.OffsetOption{OffsetType: &v2.OffsetOption_Timestamp{Timestamp: t.UnixMilli()}}}
	}
}

func notNegative(field string, n int64) error {
	if n < 0 {
		return illegal(ErrBadRequest, field, "is %d, must be at least 0", n)
	}
	return nil
}
