package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

const codeCreateGroup = 200

// RetryQueues is the number of queues of the topic that holds a group's redeliveries.
const RetryQueues = 1

// Group describes a consumer group to create.
type Group struct {
	Name          string
	Ordered       bool         // deliver each queue in order, one batch at a time
	RetryMaxTimes int          // redeliveries before the dead letters; 0 is none, the server's own default 16
	Retry         *Exponential // nil leaves the server's default, the steps from 1 s to 2 h
	Lite          *Lite        // nil makes a group of ordinary topics
}

// Lite makes a group one of lite topics: it consumes those of one parent topic, and nothing else.
type Lite struct {
	Parent    string // the topic, of type LITE, whose lite topics the group consumes
	Exclusive bool   // the consumer that subscribes to a lite topic last takes it from the others
	// ResetOnTakeover has a lite topic that is taken from another consumer read from its beginning.
	ResetOnTakeover bool
	// ResetOnUnsubscribe has a lite topic that is unsubscribed from be read from its beginning later.
	ResetOnUnsubscribe bool
	Wildcard           bool // the group consumes all lite topics of the parent; subscribing is refused
	Quota              int  // lite topics that one consumer may subscribe to; 0 is the server's default 2000
}

// Exponential is a retry policy whose delay grows with each attempt.
type Exponential struct {
	Initial, Max time.Duration // in whole milliseconds
	Multiplier   float64
}

// CreateGroup creates the group at a broker, or changes it if it exists.
func (c *Client) CreateGroup(ctx context.Context, g Group) error {
	body, err := json.Marshal(groupConfigOf(g))
	if err != nil {
		return fmt.Errorf("admin: create group %q: %w", g.Name, err)
	}
	_, err = c.call(ctx, "create group", g.Name, command{Code: codeCreateGroup, body: body})
	return err
}

// groupConfig is the server's description of a group. What it lacks the server sets to its defaults.
type groupConfig struct {
	GroupName             string       `json:"groupName"`
	ConsumeEnable         bool         `json:"consumeEnable"`
	ConsumeMessageOrderly bool         `json:"consumeMessageOrderly"`
	RetryMaxTimes         int          `json:"retryMaxTimes"`
	RetryQueueNums        int          `json:"retryQueueNums"`
	RetryPolicy           *retryPolicy `json:"groupRetryPolicy,omitempty"`
	// Attributes are changes: each name has a plus in front, which sets the attribute.
	Attributes map[string]string `json:"attributes,omitempty"`
}

type retryPolicy struct {
	Type        string            `json:"type"`
	Exponential exponentialPolicy `json:"exponentialRetryPolicy"`
}

type exponentialPolicy struct {
	Initial    int64   `json:"initial"` // ms
	Max        int64   `json:"max"`     // ms
	Multiplier float64 `json:"multiplier"`
}

func groupConfigOf(g Group) groupConfig {
	config := groupConfig{
		GroupName: g.Name, ConsumeEnable: true, ConsumeMessageOrderly: g.Ordered,
		RetryMaxTimes: g.RetryMaxTimes, RetryQueueNums: RetryQueues,
	}
	if g.Lite != nil {
		config.Attributes = g.Lite.attributes()
	}
	if g.Retry != nil {
		config.RetryPolicy = &retryPolicy{Type: "EXPONENTIAL", Exponential: exponentialPolicy{
			Initial: g.Retry.Initial.Milliseconds(), Max: g.Retry.Max.Milliseconds(), Multiplier: g.Retry.Multiplier,
		}}
	}
	return config
}

// attributes are those that differ from the server's defaults.
func (l *Lite) attributes() map[string]string {
	set := map[string]string{"+lite.bind.topic": l.Parent}
	if l.Exclusive {
		set["+lite.sub.model"] = "Exclusive"
	}
	if l.ResetOnTakeover {
		set["+lite.sub.reset.offset.exclusive"] = "true"
	}
	if l.ResetOnUnsubscribe {
		set["+lite.sub.reset.offset.unsubscribe"] = "true"
	}
	if l.Wildcard {
		set["+lite.sub.wildcard"] = "true"
	}
	if l.Quota > 0 {
		set["+lite.sub.client.quota"] = strconv.Itoa(l.Quota)
	}
	return set
}
