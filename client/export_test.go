package client

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// SetCommands makes the consumer do what a server asks of other kinds of clients. Before the first call.
func (sc *SimpleConsumer) SetCommands(
	verify func(context.Context, *v2.Message) error,
	recover func(ctx context.Context, from string, c *v2.RecoverOrphanedTransactionCommand),
	unsubscribeLite func(string),
) {
	sc.consumer.member.commands = commands{
		verify: verify,
		recover: func(ctx context.Context, from *conn, c *v2.RecoverOrphanedTransactionCommand) {
			recover(ctx, from.name, c)
		},
		unsubscribeLite: unsubscribeLite,
	}
}
