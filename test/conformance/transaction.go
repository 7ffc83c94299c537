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

// producer is a client whom the server asks about the transactions of its topics.
type producer struct {
	*Client
	stream v2.MessagingService_TelemetryClient
}

// Producer returns a producer for the topics. It sends no more heartbeats than one, so the server
// knows it for two minutes.
func (e *Env) Producer(topics ...string) producer {
	c := e.Client()
	stream, err := c.Telemetry(settingsCommand(producerSettings(topics...)))
	require.NoError(e, err)
	p := producer{c, stream}
	require.NotNil(e, p.next().GetSettings())
	require.Equal(e, v2.Code_OK, c.Heartbeat("").GetCode())
	return p
}

func (p producer) next() *v2.TelemetryCommand {
	command, err := p.stream.Recv()
	require.NoError(p.e, err)
	return command
}

// Asked waits until the server asks about a transaction.
func (p producer) Asked() *v2.RecoverOrphanedTransactionCommand {
	for {
		if c := p.next().GetRecoverOrphanedTransactionCommand(); c != nil {
			return c
		}
	}
}
