package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

const (
	codeConsumerOffset = 14
	codeMaxOffset      = 30
)

// codeNoOffset is the response code for a group that has not read from the queue.
const codeNoOffset = 22

// MaxOffset asks a broker for the offset that the next message of the queue will get.
func (c *Client) MaxOffset(ctx context.Context, topic string, queue int) (int64, error) {
	resp, err := c.call(ctx, "query offset of", topic, command{Code: codeMaxOffset, ExtFields: map[string]string{
		"topic": topic, "queueId": strconv.Itoa(queue),
	}})
	if err != nil {
		return 0, err
	}
	return offsetIn(resp, topic)
}

// CommittedOffset asks a broker for the first offset of the queue that the group has not passed,
// 0 if it has read nothing. A group that receives through the proxy passes a message when it is
// handed out, an ordered group when it is acknowledged.
func (c *Client) CommittedOffset(ctx context.Context, group, topic string, queue int) (int64, error) {
	resp, err := c.call(ctx, "query offset of", topic, command{Code: codeConsumerOffset, ExtFields: map[string]string{
		"consumerGroup": group, "topic": topic, "queueId": strconv.Itoa(queue),
	}})
	var refused *Error
	if errors.As(err, &refused) && refused.Code == codeNoOffset {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return offsetIn(resp, topic)
}

// Backlog asks a broker how many messages of the topic's queues, numbered from 0, lie before the
// group: stored and not passed in the sense of [Client.CommittedOffset]. Messages that wait for
// their redelivery lie in the group's retry topic and are counted by a call for that topic.
func (c *Client) Backlog(ctx context.Context, group, topic string, queues int) (int64, error) {
	var backlog int64
	for queue := range queues {
		end, err := c.MaxOffset(ctx, topic, queue)
		if err != nil {
			return 0, err
		}
		passed, err := c.CommittedOffset(ctx, group, topic, queue)
		if err != nil {
			return 0, err
		}
		backlog += end - passed
	}
	return backlog, nil
}

func offsetIn(resp command, topic string) (int64, error) {
	offset, err := strconv.ParseInt(resp.ExtFields["offset"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("admin: query offset of %q: %w", topic, err)
	}
	return offset, nil
}
