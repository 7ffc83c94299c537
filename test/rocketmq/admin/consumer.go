package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
)

const (
	codeRunningInfo     = 307
	codeConsumeDirectly = 309
)

// StackTrace asks a broker what the threads of a consumer are doing. It fails with [*Error] if the
// broker does not know the consumer, as those of a proxy in another process.
func (c *Client) StackTrace(ctx context.Context, group, client string) (string, error) {
	resp, err := c.call(ctx, "get stack trace of", client, command{Code: codeRunningInfo, ExtFields: map[string]string{
		"consumerGroup": group, "clientId": client, "jstackEnable": "true",
	}})
	if err != nil {
		return "", err
	}
	var info struct {
		Jstack string `json:"jstack"`
	}
	if err := json.Unmarshal(resp.body, &info); err != nil {
		return "", fmt.Errorf("admin: get stack trace of %q: %w", client, err)
	}
	return info.Jstack, nil
}

// Verify has a consumer consume a message of the topic that lies at a position of the broker's log,
// and tells whether it has. It fails as StackTrace does.
func (c *Client) Verify(ctx context.Context, group, client, topic string, position int64) (bool, error) {
	id, err := c.messageID(position)
	if err != nil {
		return false, fmt.Errorf("admin: verify a message of %q: %w", topic, err)
	}
	resp, err := c.call(ctx, "verify a message by", client, command{Code: codeConsumeDirectly, ExtFields: map[string]string{
		"consumerGroup": group, "clientId": client, "topic": topic, "msgId": id,
	}})
	if err != nil {
		return false, err
	}
	var result struct {
		ConsumeResult string `json:"consumeResult"`
	}
	if err := json.Unmarshal(resp.body, &result); err != nil {
		return false, fmt.Errorf("admin: verify a message of %q: %w", topic, err)
	}
	return result.ConsumeResult == "CR_SUCCESS", nil
}

// messageID names a message by where it lies: address, port and position, in hexadecimal.
func (c *Client) messageID(position int64) (string, error) {
	addr, err := netip.ParseAddrPort(c.addr)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%08x%016x", hex.EncodeToString(addr.Addr().AsSlice()), addr.Port(), position), nil
}
