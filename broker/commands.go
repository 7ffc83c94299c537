package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// commandTimeout is how long a client has for the answer to a command.
const commandTimeout = 5 * time.Second

// ErrUnreachable is why a client is given no command: no client of this id has an open telemetry
// stream on which it has sent settings, or the broker is closed.
var ErrUnreachable = errors.New("broker: client cannot be reached")

// ClientError is a command that a client could not carry out, in the client's own words.
type ClientError struct {
	Client string
	Code   int32 // the protocol's, such as 60000 for a message that could not be consumed
	Text   string
}

// Error names the client and gives its words.
func (e *ClientError) Error() string {
	return fmt.Sprintf("broker: client %q could not do as told: %s (code %d)", e.Client, e.Text, e.Code)
}

// VerifyMessage has a client consume a message that is stored in a topic, whether or not its group
// has: nothing is delivered or settled by that. It waits for the outcome, for up to
// 5 seconds: nil if the client has consumed it, a [*ClientError] if not. It fails with
// [ErrUnknown] if the topic has no such message, and with [ErrUnreachable].
func (b *Broker) VerifyMessage(ctx context.Context, client, topic, messageID string) error {
	m, ok := b.store.stored(topic, messageID)
	if !ok {
		return fmt.Errorf("%w: message %q in topic %q", ErrUnknown, messageID, topic)
	}
	_, err := b.ask(ctx, client, func(nonce string) *v2.TelemetryCommand {
		return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_VerifyMessageCommand{
			VerifyMessageCommand: &v2.VerifyMessageCommand{Nonce: nonce, Message: m},
		}}
	})
	return err
}

// StackTrace gives what a client says its threads are doing. It waits for that, for up to 5
// seconds. It fails with a [*ClientError] or with [ErrUnreachable].
func (b *Broker) StackTrace(ctx context.Context, client string) (string, error) {
	if b.store.quirks[QuirkStackTrace] {
		return "", b.loseTrace(ctx, client)
	}
	answer, err := b.ask(ctx, client, func(nonce string) *v2.TelemetryCommand {
		return &v2.TelemetryCommand{Command: &v2.TelemetryCommand_PrintThreadStackTraceCommand{
			PrintThreadStackTraceCommand: &v2.PrintThreadStackTraceCommand{Nonce: nonce},
		}}
	})
	return answer.GetThreadStackTrace().GetThreadStackTrace(), err
}

// Reconnect tells a client to connect anew. There is no answer to that. It fails with
// [ErrUnreachable]. (No release of the server tells its clients so, but the protocol has it.)
func (b *Broker) Reconnect(client string) error {
	s, ok := b.store.proxies.reaching(client)
	if !ok || !s.command(client, &v2.TelemetryCommand{Command: &v2.TelemetryCommand_ReconnectEndpointsCommand{
		ReconnectEndpointsCommand: &v2.ReconnectEndpointsCommand{Nonce: s.commands.nonce()},
	}}) {
		return fmt.Errorf("%w: %q", ErrUnreachable, client)
	}
	return nil
}

// ask gives a client a command and waits for the answer.
func (b *Broker) ask(
	ctx context.Context, client string, command func(nonce string) *v2.TelemetryCommand,
) (*v2.TelemetryCommand, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	s, ok := b.store.proxies.reaching(client)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnreachable, client)
	}
	nonce, answer := s.commands.expect(client)
	defer s.commands.forget(nonce)
	if !s.command(client, command(nonce)) {
		return nil, fmt.Errorf("%w: %q", ErrUnreachable, client)
	}
	select {
	case a := <-answer:
		if s := a.GetStatus(); s.GetCode() != v2.Code_OK {
			return nil, &ClientError{client, int32(s.GetCode()), s.GetMessage()}
		}
		return a, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("broker: wait for the answer of client %q: %w", client, ctx.Err())
	case <-b.closed:
		return nil, fmt.Errorf("%w: %q: the broker is closed", ErrUnreachable, client)
	}
}

// commands is those to clients whose answers are expected, by nonce.
type commands struct {
	mu       sync.Mutex // guards what follows
	next     int64
	expected map[string]expectation
}

type expectation struct {
	client string
	answer chan *v2.TelemetryCommand // of capacity 1; what does not fit is a second answer
}

// nonce gives a text that no other command has.
func (c *commands) nonce() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return strconv.FormatInt(c.next-1, 10)
}

// expect gives the nonce for a command to a client, and where the answer to it arrives.
func (c *commands) expect(client string) (nonce string, answer <-chan *v2.TelemetryCommand) {
	nonce = c.nonce()
	arrives := make(chan *v2.TelemetryCommand, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected[nonce] = expectation{client, arrives}
	return nonce, arrives
}

func (c *commands) forget(nonce string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.expected, nonce)
}

// answered takes what a client says, if it is what was expected of that client.
func (c *commands) answered(client string, a *v2.TelemetryCommand) {
	nonce := a.GetVerifyMessageResult().GetNonce()
	if trace := a.GetThreadStackTrace(); trace != nil {
		nonce = trace.GetNonce()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.expected[nonce]; ok && e.client == client {
		select {
		case e.answer <- a:
		default:
		}
	}
}
