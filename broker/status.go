package broker

import (
	"errors"
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// ConfigError is a topic, group or user that cannot be as it was described.
type ConfigError struct {
	Kind, Name string // "topic", "group" or "user", and which
	Reason     string
}

// Error names the object and the reason.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("broker: create %s %q: %s", e.Kind, e.Name, e.Reason)
}

// ErrExists is why a topic, group or user cannot be created a second time.
var ErrExists = errors.New("broker: exists already")

// ErrUnknown is why nothing can be done with a topic, group or user.
var ErrUnknown = errors.New("broker: no such topic, group or user")

// A refusal is a request that is answered with a code of the protocol. Its text is for the client.
type refusal struct {
	code  v2.Code
	text  string
	quirk Quirk // with which the server's answer is another: see under
}

func (r *refusal) Error() string { return r.text }

func refuse(code v2.Code, text string) error { return &refusal{code: code, text: text} }

func refusef(code v2.Code, format string, args ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

// statusOf is what the client is told: OK if err is nil.
func statusOf(err error) *v2.Status {
	if err == nil {
		return &v2.Status{Code: v2.Code_OK, Message: "OK"}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return &v2.Status{Code: r.code, Message: r.text}
	}
	return &v2.Status{Code: v2.Code_INTERNAL_SERVER_ERROR, Message: err.Error()}
}

// statuses gathers the codes of the entries of one answer into one.
func statuses(all []*v2.Status) *v2.Status {
	for _, s := range all {
		if s.GetCode() != all[0].GetCode() {
			return &v2.Status{Code: v2.Code_MULTIPLE_RESULTS, Message: "mixed results, see the entries"}
		}
	}
	return all[0]
}
