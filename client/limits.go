package client

import (
	"strings"
	"time"
	"unicode"
)

// Limits of the protocol, checked before a request is made so that the error can say which field of
// what value exceeds which. The server checks again, and has the last word.
const (
	maxTopicLength        = 127
	maxGroupLength        = 120
	maxMessageGroupLength = 63
	maxProperties         = 128
	maxPropertyBytes      = 16 << 10
	maxInvisible          = 12 * time.Hour
	defaultMaxBody        = 4 << 20
)

func checkTopic(topic string) error {
	return checkName(ErrIllegalTopic, "topic", topic, maxTopicLength)
}

func checkGroup(group string) error {
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

// check refuses what the server would refuse, and what it would silently change.
func (m *Message) check(maxBody int) error {
	if err := checkTopic(m.Topic); err != nil {
		return err
	}
	switch {
	case len(m.Body) == 0:
		return illegal(ErrBodyEmpty, "body", "is empty: put at least one byte into it")
	case len(m.Body) > maxBody:
		return illegal(ErrBodyTooLarge, "body", "has %d bytes, the limit is %d: send less, or raise the limit of the server",
			len(m.Body), maxBody)
	case m.Tag != "" && (blank(m.Tag) || strings.Contains(m.Tag, "|") || hasControl(m.Tag)):
		return illegal(ErrIllegalTag, "tag", "%q is blank, or has | or a control character", m.Tag)
	case m.MessageGroup != "" && !m.DeliveryTime.IsZero():
		return illegal(ErrMessageType, "message group",
			"%q excludes a delivery time: a message is FIFO or delayed", m.MessageGroup)
	}
	if err := m.checkGroup(); err != nil {
		return err
	}
	for _, key := range m.Keys {
		if blank(key) || hasControl(key) {
			return illegal(ErrIllegalKey, "key", "%q is blank or has a control character", key)
		}
	}
	return m.checkProperties()
}

func (m *Message) checkGroup() error {
	switch g := m.MessageGroup; {
	case g == "":
		return nil
	case blank(g) || hasControl(g):
		return illegal(ErrIllegalMessageGroup, "message group", "%q is blank or has a control character", g)
	case len(g) > maxMessageGroupLength:
		return illegal(ErrIllegalMessageGroup, "message group", "%.32q… has %d bytes, the limit is %d",
			g, len(g), maxMessageGroupLength)
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
