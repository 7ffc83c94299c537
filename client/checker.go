package client

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// Resolution says what is to become of a transaction.
type Resolution int

const (
	// ResolutionUnknown says that it cannot be told yet. Nothing is answered, and the server asks
	// again later, up to 15 times unless it is configured otherwise.
	ResolutionUnknown Resolution = iota
	// ResolutionCommit has the message delivered.
	ResolutionCommit
	// ResolutionRollback has the message forgotten.
	ResolutionRollback
)

// String returns "unknown", "commit" or "rollback".
func (r Resolution) String() string {
	switch r {
	case ResolutionCommit:
		return "commit"
	case ResolutionRollback:
		return "rollback"
	default:
		return "unknown"
	}
}

// checkTimeout is how long the server waits for the answer to a question about a transaction.
const checkTimeout = 30 * time.Second

// WithTransactionChecker gives the producer what decides transactions that have not been ended, and
// without which it can begin none. The server asks some producer of the topic, not necessarily the
// one that sent the message, nor one of the same program run, so check must go by what is stored,
// such as by whether the database has the order of which the message tells. It is given the message
// as it was sent, with the number of the question in its property TRANSACTION_CHECK_TIMES; where it
// does not know yet, or panics, nothing is answered and the server asks again.
//
// Checks run beside each other, at most 8 for each endpoint. The context of one ends when its answer
// would come too late, after 30 seconds; when the producer is closed, for which [Producer.Close] gives
// checks the request timeout; and when the session that asked ends.
//
// With [WithTopics] as well, the producer makes itself known for these topics at once, without
// waiting for the first message: so that transactions are decided which a run before this one has
// left open.
func WithTransactionChecker(check func(ctx context.Context, m *Message) Resolution) ProducerOption {
	return func(c *producerConfig) { c.checker, c.checks = check, true }
}

// check decides a transaction that the server asks about, and tells the server that asked: it alone
// can pass it on. It runs beside others, off the reader of the session.
func (p *Producer) check(ctx context.Context, from *conn, c *v2.RecoverOrphanedTransactionCommand) {
	if p.begin() != nil {
		return // the server asks somebody else
	}
	defer p.pending.Done()
	ctx, stop := either(ctx, p.work)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	m := decode(c.GetMessage(), "")
	log := p.client.cfg.log.With("topic", m.Topic, "message", m.ID, "endpoint", from.name)
	resolution, err := p.resolve(ctx, m)
	if err != nil {
		log.Error("transaction not checked: its checker panicked; the server asks again", "error", err)
		return
	}
	answer := &v2.EndTransactionRequest{
		Topic: c.GetMessage().GetTopic(), MessageId: m.ID, TransactionId: c.GetTransactionId(),
		Source: v2.TransactionSource_SOURCE_SERVER_CHECK, TraceContext: m.TraceContext,
	}
	switch resolution {
	case ResolutionCommit:
		answer.Resolution = v2.TransactionResolution_COMMIT
	case ResolutionRollback:
		answer.Resolution = v2.TransactionResolution_ROLLBACK
	default:
		log.Debug("transaction not decided yet; the server asks again")
		return
	}
	if err := p.endTransaction(ctx, "recover", from, answer); err != nil {
		log.Warn("transaction checked, but not ended; the server asks again",
			"resolution", resolution, "error", expired(err, false))
	}
}

// resolve calls the checker. Its panic must not take the program along: it is an error, with the stack.
func (p *Producer) resolve(ctx context.Context, m *Message) (resolution Resolution, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return p.cfg.checker(ctx, m), nil
}

// announceEarly makes the producer known to the servers of the topics named at the start, and tries
// that again until it succeeds or the producer is closed.
func (p *Producer) announceEarly() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for _, topic := range p.cfg.topics {
		p.early.Go(func() { p.announceTopic(topic) })
	}
}

func (p *Producer) announceTopic(topic string) {
	delay := newReconnectBackoff()
	delay.MaxInterval = routeRefresh
	for {
		_, err := p.publication(p.work, topic)
		if err == nil || p.work.Err() != nil {
			return
		}
		p.client.cfg.log.Warn("transactions of a topic cannot be checked yet", "topic", topic, "error", err)
		if pacing.Wait(p.work, delay.NextBackOff()) != nil {
			return
		}
	}
}
