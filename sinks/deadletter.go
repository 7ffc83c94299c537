package sinks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Properties that [DeadLetterTopic] adds to a message.
const (
	PropertyStage        = "rocketflow-stage"         // the stage that failed
	PropertyError        = "rocketflow-error"         // its last error, shortened
	PropertyAttempt      = "rocketflow-attempt"       // how often the stage was tried
	PropertyTopic        = "rocketflow-topic"         // the message's own topic
	PropertyMessageID    = "rocketflow-message-id"    // the message's own id
	PropertyMessageGroup = "rocketflow-message-group" // the message's own message group
)

const (
	maxErrorText    = 1 << 10 // bytes of an error in a property
	maxProperties   = 128     // of a message, as the protocol has it
	maxPropertySize = 16 << 10
)

// DeadLetterTopic sends what failed for good to a topic of type NORMAL, which must exist: for
// flow.DeadLetter. A message is sent with its own body, tag, keys and properties, and besides with
// the properties named here, which say what failed and why. Its message group becomes a property, so
// that dead letters need not be in order. Properties are left out where the protocol has no room for
// them, the reason's first.
//
// Of a record that is no message the body is its raw text if it could not be decoded, and else what
// encoding/json makes of the source's value. Of a joint record, such as a batch, each member is sent by
// itself.
func DeadLetterTopic(c *client.Client, topic string, opts ...RocketMQOption) stage.Sink[stage.Failure] {
	return eachMember{RocketMQOf(c, topic, deadLetter, opts...)}
}

func deadLetter(f stage.Failure) (*client.Message, error) {
	m := &client.Message{TraceContext: f.Info.TraceContext}
	p := propertySpace{properties: make(map[string]string)}
	if original, ok := f.Source.(*client.Message); ok && original != nil {
		m.Body, m.Tag, m.Keys = original.Body, original.Tag, original.Keys
		p.used = len(m.Tag) + len(strings.Join(m.Keys, ""))
		for k, v := range original.Properties {
			p.add(k, v)
		}
		p.add(PropertyTopic, original.Topic)
		p.add(PropertyMessageGroup, original.MessageGroup)
	} else {
		body, err := json.Marshal(newDeadRecord(f))
		if raw := rawText(f); raw != nil {
			body, err = raw, nil
		}
		if err != nil {
			return nil, err
		}
		m.Body = body
	}
	p.add(PropertyMessageID, f.Info.ID)
	p.add(PropertyStage, f.Stage)
	p.add(PropertyAttempt, strconv.Itoa(f.Attempt))
	p.add(PropertyError, shorten(f.Err, maxErrorText))
	m.Properties = p.properties
	return m, nil
}

// propertySpace is properties within the limits of the protocol.
type propertySpace struct {
	properties map[string]string
	used       int // bytes, with tag and keys
}

// add takes a property if there is room. The protocol has no empty values and no control characters.
func (p *propertySpace) add(key, value string) {
	value = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, value))
	size := len(key) + len(value)
	if value == "" || len(p.properties) >= maxProperties || p.used+size > maxPropertySize {
		return
	}
	p.properties[key] = value
	p.used += size
}

func shorten(err error, limit int) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// rawText is what could not be decoded; nil if the failure is another.
func rawText(f stage.Failure) []byte {
	var fault *stage.FaultError
	if !errors.As(f.Err, &fault) || len(fault.Raw) == 0 {
		return nil
	}
	return fault.Raw
}

// DeadLetterFile writes what failed for good to a file, as one JSON object on a line with the fields
//
//	position, id, key, attempt, event_time   what the source knew of the record
//	stage, error, tries                      where it failed, why, and how often
//	raw, raw_base64                          what could not be decoded, as text or not
//	value                                    else what was read from the source; of a message its
//	                                         topic, tag, keys, message_group, properties and body,
//	                                         or body_base64 if that is not text
//
// Fields without a value are left out. Of a joint record, such as a batch, each member has a line. It is a [File], with its options and guarantees, for
// flow.DeadLetter.
func DeadLetterFile(path string, opts ...FileOption) *File[stage.Failure] {
	return newFile("deadletters", path, opts, func(*fileConfig) format[stage.Failure] {
		return format[stage.Failure]{append: func(b *bytes.Buffer, f stage.Failure) error {
			for _, one := range members(f) {
				if err := appendJSON(b, newDeadRecord(one)); err != nil {
					return err
				}
			}
			return nil
		}}
	})
}

// deadRecord is a failure as JSON.
type deadRecord struct {
	Position  string          `json:"position,omitempty"`
	ID        string          `json:"id,omitempty"`
	Key       string          `json:"key,omitempty"`
	Attempt   int             `json:"attempt,omitempty"`
	EventTime time.Time       `json:"event_time,omitzero"`
	Stage     string          `json:"stage,omitempty"`
	Error     string          `json:"error,omitempty"`
	Tries     int             `json:"tries,omitempty"`
	Raw       string          `json:"raw,omitempty"`
	RawBytes  []byte          `json:"raw_base64,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

func newDeadRecord(f stage.Failure) deadRecord {
	r := deadRecord{
		Position: f.Info.Position, ID: f.Info.ID, Key: f.Info.Key, Attempt: f.Info.Attempt,
		EventTime: f.Info.EventTime, Stage: f.Stage, Tries: f.Attempt,
	}
	if f.Err != nil {
		r.Error = f.Err.Error()
	}
	switch raw := rawText(f); {
	case raw == nil:
		r.Value = anyJSON(f.Source)
	case utf8.Valid(raw):
		r.Raw = string(raw)
	default:
		r.RawBytes = raw
	}
	return r
}

// deadMessage is a message as JSON: what it takes to send it again.
type deadMessage struct {
	Topic        string            `json:"topic"`
	Tag          string            `json:"tag,omitempty"`
	Keys         []string          `json:"keys,omitempty"`
	MessageGroup string            `json:"message_group,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"`
	Body         string            `json:"body,omitempty"`
	BodyBytes    []byte            `json:"body_base64,omitempty"`
}

func newDeadMessage(m *client.Message) *deadMessage {
	if m == nil {
		return nil
	}
	d := &deadMessage{Topic: m.Topic, Tag: m.Tag, Keys: m.Keys, MessageGroup: m.MessageGroup, Properties: m.Properties}
	if utf8.Valid(m.Body) {
		d.Body = string(m.Body)
	} else {
		d.BodyBytes = m.Body
	}
	return d
}

// anyJSON gives the JSON of a value, or of its text if it has none: a dead letter that cannot be
// written would be no dead letter.
func anyJSON(v any) json.RawMessage {
	switch m := v.(type) {
	case nil:
		return nil
	case *client.Message:
		v = newDeadMessage(m)
	}
	data, err := json.Marshal(v)
	if err != nil {
		data, err = json.Marshal(fmt.Sprintf("%+v", v))
	}
	if err != nil {
		return nil
	}
	return data
}
