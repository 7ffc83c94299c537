package admin

import "context"

const codeUpdateBrokerConfig = 25

// Configure sets a property of a broker while it runs. Not all that can be set has an effect then.
func (c *Client) Configure(ctx context.Context, property, value string) error {
	_, err := c.call(ctx, "configure", property, command{
		Code: codeUpdateBrokerConfig, body: []byte(property + "=" + value + "\n"),
	})
	return err
}
