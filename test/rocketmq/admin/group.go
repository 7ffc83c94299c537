package admin

import (
	"context"
	"encoding/json"
	"fmt"
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
	if g.Retry != nil {
		config.RetryPolicy = &retryPolicy{Type: "EXPONENTIAL", Exponential: exponentialPolicy{
			Initial: g.Retry.Initial.Milliseconds(), Max: g.Retry.Max.Milliseconds(), Multiplier: g.Retry.Multiplier,
		}}
	}
	return config
}
