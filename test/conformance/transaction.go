package conformance

import (
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	leaveOpen = v2.TransactionResolution_TRANSACTION_RESOLUTION_UNSPECIFIED
	commit    = v2.TransactionResolution_COMMIT
	rollback  = v2.TransactionResolution_ROLLBACK

	byClient = v2.TransactionSource_SOURCE_CLIENT
	byCheck  = v2.TransactionSource_SOURCE_SERVER_CHECK
)

// inTransaction makes the message a part of a transaction.
func inTransaction(m *v2.Message) { m.SystemProperties.MessageType = v2.MessageType_TRANSACTION }

// recoveredAfter also names the time after which the server is to ask about the transaction.
func recoveredAfter(d time.Duration) messageOption {
	return func(m *v2.Message) {
		inTransaction(m)
		m.SystemProperties.OrphanedTransactionRecoveryDuration = durationpb.New(d)
	}
}

// Begin sends a message in a transaction, which it returns.
func (c *Client) Begin(topic, body string, options ...messageOption) *v2.Message {
	m := c.e.Message(topic, body, append([]messageOption{inTransaction}, options...)...)
	c.Store(m)
	return m
}

// End returns the code of the answer to the end of the message's transaction.
func (c *Client) End(m *v2.Message, resolution v2.TransactionResolution, source v2.TransactionSource) v2.Code {
	ctx, cancel := c.short()
	defer cancel()
	resp, err := c.rpc.EndTransaction(ctx, &v2.EndTransactionRequest{
		Topic: m.GetTopic(), MessageId: idOf(m), TransactionId: idOf(m), Resolution: resolution, Source: source,
	})
	require.NoError(c.e, err)
	return resp.GetStatus().GetCode()
}

// Producer returns a producer for the topics. It sends no more heartbeats than one, so the server
// knows it for two minutes.
func (e *Env) Producer(topics ...string) listener {
	p := e.Listener(producerSettings(topics...))
	require.Equal(e, v2.Code_OK, p.Heartbeat("").GetCode())
	return p
}

// Asked waits until the server asks about a transaction.
func (l listener) Asked() *v2.RecoverOrphanedTransactionCommand {
	for {
		if c := l.Next().GetRecoverOrphanedTransactionCommand(); c != nil {
			return c
		}
	}
}
