package client

import (
	"math"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Limits of the protocol, checked before a request is made so that the error can say which field of
// what value exceeds which. The server checks again, and has the last word.
const (
	maxTopicLength        = 127
	maxGroupLength        = 120
	maxMessageGroupLength = 63
	maxLiteTopicLength    = 64
	maxProperties         = 128
	maxPropertyBytes      = 16 << 10
	maxInvisible          = 12 * time.Hour
	maxRecovery           = time.Hour
	defaultMaxBody        = 4 << 20
)

func checkTopic(topic string) error {
	if isSystemTopic(topic) {
		return illegal(ErrIllegalTopic, "topic", "%q is the server's own: choose another name", topic)
	}
	return checkName(ErrIllegalTopic, "topic", topic, maxTopicLength)
}

func checkGroup(group string) error {
	if isSystemGroup(group) {
		return illegal(ErrIllegalGroup, "consumer group", "%q is the server's own: choose another name", group)
	}
	return checkName(ErrIllegalGroup, "consumer group", group, maxGroupLength)
}

func checkName(kind error, field, name string, limit int) error {
	switch {
	case name == "":
		return illegal(kind, field, "is empty")
	case len(name) > limit:
		return illegal(kind, field, "%.32q… has %d characters, the limit is %d", name, len(name), limit)
	case strings.ContainsFunc(name, notInResource):
		return illegal(kind, field, "%q has characters other than letters, digits and %%|_-", name)
	}
	return nil
}

func notInResource(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("%|_-", r)
}

// check refuses what the server would refuse, and what it would silently change. The size of the body
// is checked when it is known, that is when it has been compressed.
func (m *Message) check(maxDelay time.Duration) error {
	if err := checkTopic(m.Topic); err != nil {
		return err
	}
	switch {
	case len(m.Body) == 0:
		return illegal(ErrBodyEmpty, "body", "is empty: put at least one byte into it")
	case m.Tag != "" && (blank(m.Tag) || strings.Contains(m.Tag, "|") || hasControl(m.Tag)):
		return illegal(ErrIllegalTag, "tag", "%q is blank, or has | or a control character", m.Tag)
	}
	for _, key := range m.Keys {
		if blank(key) || hasControl(key) {
			return illegal(ErrIllegalKey, "key", "%q is blank or has a control character", key)
		}
	}
	if err := m.checkType(maxDelay); err != nil {
		return err
	}
	return m.checkProperties()
}

// checkSize checks a body as it will be stored.
func checkSize(stored []byte, maxBody int) error {
	if len(stored) > maxBody {
		return illegal(ErrBodyTooLarge, "body", "has %d bytes, the limit is %d: send less, or raise the limit of the server",
			len(stored), maxBody)
	}
	return nil
}

// checkType checks the fields that make a message one of a type.
func (m *Message) checkType(maxDelay time.Duration) error {
	field, other := m.typeFields()
	switch field {
	case "":
		return nil
	case "message group":
		if err := checkMessageGroup(m.MessageGroup); err != nil {
			return err
		}
	case "delivery time":
		if err := checkDeliveryTime(m.DeliveryTime, maxDelay); err != nil {
			return err
		}
	case "lite topic":
		if err := checkLiteTopic(m.LiteTopic, maxLiteTopicLength); err != nil {
			return err
		}
	case "priority":
		if p := *m.Priority; p < 0 || p > math.MaxInt32 {
			return illegal(ErrIllegalPriority, "priority", "%d is not between 0 and %d", p, math.MaxInt32)
		}
	}
	if other != "" {
		return illegal(ErrMessageType, field, "excludes a %s: a message is of one type", other)
	}
	return nil
}

// typeFields returns the first field, and one more, of those that make a message one of a type; empty
// for what is not set.
func (m *Message) typeFields() (field, other string) {
	for _, f := range [...]struct {
		set  bool
		name string
	}{
		{m.MessageGroup != "", "message group"},
		{!m.DeliveryTime.IsZero(), "delivery time"},
		{m.LiteTopic != "", "lite topic"},
		{m.Priority != nil, "priority"},
	} {
		switch {
		case !f.set:
		case field == "":
			field = f.name
		default:
			return field, f.name
		}
	}
	return field, ""
}

func checkMessageGroup(group string) error {
	switch {
	case blank(group) || hasControl(group):
		return illegal(ErrIllegalMessageGroup, "message group", "%q is blank or has a control character", group)
	case len(group) > maxMessageGroupLength:
		return illegal(ErrIllegalMessageGroup, "message group", "%.32q… has %d bytes, the limit is %d",
			group, len(group), maxMessageGroupLength)
	}
	return nil
}

// checkDeliveryTime lets times pass that are past: the server takes them for now.
func checkDeliveryTime(due time.Time, maxDelay time.Duration) error {
	if timestamppb.New(due).CheckValid() != nil {
		return illegal(ErrIllegalDeliveryTime, "delivery time", "is in year %d, the limits are 1 and 9999", due.Year())
	}
	if delay := time.Until(due); delay > maxDelay {
		return illegal(ErrIllegalDeliveryTime, "delivery time", "%v is in %v, the limit is %v: "+
			"deliver sooner, or raise the limit of the server and WithMaxDelay", due, delay, maxDelay)
	}
	return nil
}

func checkLiteTopic(name string, limit int) error {
	switch {
	case name == "":
		return illegal(ErrIllegalTopic, "lite topic", "is empty")
	case len(name) > limit:
		return illegal(ErrIllegalTopic, "lite topic", "%.32q… has %d bytes, the limit is %d", name, len(name), limit)
	case strings.ContainsFunc(name, func(r rune) bool { return r == '%' || r == '|' || notInResource(r) }):
		return illegal(ErrIllegalTopic, "lite topic", "%q has characters other than letters, digits, hyphens and underscores", name)
	}
	return nil
}

// checkRecovery checks after what time the server asks for the end of a transaction. It counts whole
// seconds.
func checkRecovery(after time.Duration) error {
	if after < time.Second || after > maxRecovery {
		return illegal(ErrBadRequest, "recovery time", "%v is not between 1s and %v", after, maxRecovery)
	}
	return nil
}

func (m *Message) checkProperties() error {
	if len(m.Properties) > maxProperties {
		return illegal(ErrPropertiesTooLarge, "properties", "are %d, the limit is %d", len(m.Properties), maxProperties)
	}
	size := len(m.Tag)
	for _, key := range m.Keys {
		size += len(key)
	}
	for k, v := range m.Properties {
		if blank(k) || hasControl(k) {
			return illegal(ErrIllegalProperty, "property", "the key %q is blank or has a control character", k)
		}
		if isReserved(k) {
			return illegal(ErrIllegalProperty, "property", "the key %q is the server's own: choose another", k)
		}
		if blank(v) || hasControl(v) { // an empty value would be dropped on the way
			return illegal(ErrIllegalProperty, "property", "the value of %q is blank or has a control character", k)
		}
		size += len(k) + len(v)
	}
	if size > maxPropertyBytes {
		return illegal(ErrPropertiesTooLarge, "properties", "have, with tag and keys, %d bytes, the limit is %d",
			size, maxPropertyBytes)
	}
	return nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
