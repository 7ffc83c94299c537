package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
)

// Request codes of the remoting protocol.
const (
	codeCreateTopic    = 17
	codeTopicRoute     = 105
	codeClusterInfo    = 106
	codeDeleteInBroker = 215
)

// Permissions of a topic's queues.
const (
	PermRead      = 4
	PermWrite     = 2
	PermReadWrite = PermRead | PermWrite
)

// Topic describes a topic to create.
type Topic struct {
	Name   string
	Type   string // NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY or LITE; empty leaves the attribute unset
	Queues int    // to read and to write; 0 stands for 4
	Perm   int    // 0 stands for PermReadWrite
}

// CreateTopic creates the topic at a broker, or changes it if it exists.
func (c *Client) CreateTopic(ctx context.Context, t Topic) error {
	queues := strconv.Itoa(orDefault(t.Queues, 4))
	fields := map[string]string{
		"topic": t.Name, "defaultTopic": "TBW102",
		"readQueueNums": queues, "writeQueueNums": queues,
		"perm":            strconv.Itoa(orDefault(t.Perm, PermReadWrite)),
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
	}
	if t.Type != "" {
		fields["attributes"] = "+message.type=" + t.Type
	}
	_, err := c.call(ctx, "create topic", t.Name, command{Code: codeCreateTopic, ExtFields: fields})
	return err
}

// DeleteTopic removes the topic from a broker. The name server forgets it some seconds later.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	_, err := c.call(ctx, "delete topic", name,
		command{Code: codeDeleteInBroker, ExtFields: map[string]string{"topic": name}})
	return err
}

// ReadQueues asks a name server how many queues of the topic can be read. It fails with [*Error],
// code [CodeTopicNotExist], as long as the name server has not heard of the topic.
func (c *Client) ReadQueues(ctx context.Context, topic string) (int, error) {
	resp, err := c.call(ctx, "query route of", topic, command{Code: codeTopicRoute, ExtFields: map[string]string{
		"topic": topic, "acceptStandardJsonOnly": "true",
	}})
	if err != nil {
		return 0, err
	}
	var route struct {
		QueueDatas []struct {
			ReadQueueNums int `json:"readQueueNums"`
		} `json:"queueDatas"`
	}
	if err := json.Unmarshal(resp.body, &route); err != nil {
		return 0, fmt.Errorf("admin: query route of %q: decode the answer: %w", topic, err)
	}
	n := 0
	for _, q := range route.QueueDatas {
		n += q.ReadQueueNums
	}
	return n, nil
}

// CodeTopicNotExist is the response code for a topic that the server does not know.
const CodeTopicNotExist = 17

// Ping asks a name server for its brokers, to see that it answers.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, "query cluster of", c.addr, command{Code: codeClusterInfo})
	return err
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
