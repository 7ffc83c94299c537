package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// TransactionOption adjusts a [Transaction].
type TransactionOption func(*Transaction)

// WithRecoveryAfter sets how long after the message of the transaction was sent the server first asks
// the checker what became of it: from a second to an hour, in whole seconds. The default is the
// server's own, 6 seconds and what passes until it next looks, at most 30 more. From then on the
// checker decides; see [Transaction.Commit].
func WithRecoveryAfter(d time.Duration) TransactionOption {
	return func(t *Transaction) { t.recovery = &d }
}

// A Transaction is one message that the server keeps back until it is told whether to deliver it or
// to forget it. What the application does in between, such as committing to its database, so happens
// together with the message, or not at all:
//
//	tx, err := producer.BeginTransaction()
//	receipt, err := tx.Send(ctx, m)   // stored, not delivered
//	err = store(order, m)             // the work that the message tells of
//	err = tx.Commit(ctx)              // or tx.Rollback(ctx), if it failed
//
// If the end does not reach the server, because the program has died or the network failed, the
// server asks a producer of the topic; see [WithTransactionChecker]. A Transaction is safe for
// concurrent use. It needs no closing: one that is dropped is decided by the checker.
type Transaction struct {
	producer *Producer
	recovery *time.Duration // nil: the server's own

	mu    sync.Mutex // guards what follows; not held during a request
	state transactionState
	half  *outgoing // what has been sent; nil before
	doubt bool      // an end was asked for and not answered, so it may have happened
}

type transactionState int

const (
	transactionOpen  transactionState = iota // nothing is sent
	transactionBusy                          // a call is under way
	transactionSent                          // and not ended
	transactionEnded                         // for good
)

// BeginTransaction returns a transaction. It tells the server nothing. It fails with [ErrNoChecker]
// if the producer has no [WithTransactionChecker], without which nobody could say what became of a
// transaction that was not ended.
func (p *Producer) BeginTransaction(opts ...TransactionOption) (*Transaction, error) {
	if p.cfg.checker == nil {
		return nil, illegal(ErrNoChecker, "transaction", "cannot begin without a checker: give the producer one (WithTransactionChecker)")
	}
	tx := &Transaction{producer: p}
	for _, opt := range opts {
		opt(tx)
	}
	if tx.recovery != nil {
		if err := checkRecovery(*tx.recovery); err != nil {
			return nil, err
		}
	}
	if err := p.begin(); err != nil {
		return nil, err
	}
	p.pending.Done()
	return tx, nil
}

// Send stores the message, which is not delivered before [Transaction.Commit]. It must have neither
// message group, delivery time, lite topic nor priority, and its topic must take transactions. Like
// [Producer.Send] it tries again what may pass; of an attempt whose answer got lost a second copy may
// remain, of which the server asks the checker.
//
// A transaction has one message: a second fails with [ErrTransactionFull]. After a failure another
// message, or the same, can be sent in it.
func (tx *Transaction) Send(ctx context.Context, m *Message) (Receipt, error) {
	p := tx.producer
	if err := p.begin(); err != nil {
		return Receipt{}, err
	}
	defer p.pending.Done()
	if err := tx.claim(transactionOpen); err != nil {
		return Receipt{}, err
	}
	half, r, err := tx.observed(ctx, m)
	if err != nil {
		tx.release(transactionOpen, nil, false)
		return Receipt{}, err
	}
	tx.release(transactionSent, half, false)
	return r, nil
}

// observed sends the message, as interceptors would have it.
func (tx *Transaction) observed(ctx context.Context, m *Message) (*outgoing, Receipt, error) {
	p := tx.producer
	m, sending, err := p.client.observer.send(ctx, p.member, m)
	if err != nil {
		return nil, Receipt{}, err
	}
	half, r, err := tx.transmit(ctx, m)
	sending.end(r, err)
	return half, r, err
}

// transmit checks, encodes and sends the message, and returns what the server has stored.
func (tx *Transaction) transmit(ctx context.Context, m *Message) (*outgoing, Receipt, error) {
	if m != nil {
		if field, _ := m.typeFields(); field != "" {
			return nil, Receipt{}, illegal(ErrMessageType, field, "is not possible in a transaction: a message is of one type")
		}
	}
	s, err := tx.producer.prepareAs(ctx, m, func(o *outgoing) { o.halve(tx.recovery) })
	if err != nil {
		return nil, Receipt{}, err
	}
	r, err := tx.producer.sendAlone(ctx, s)
	if err != nil {
		return nil, Receipt{}, err
	}
	half := s.items[0]
	if half.transaction == "" {
		return nil, Receipt{}, &StatusError{Op: "send", Target: m.Topic, Endpoint: r.Endpoint, Code: int32(v2.Code_OK),
			kind: ErrBadAnswer, advice: "it names no transaction that could be ended; the checker will be asked"}
	}
	return half, r, nil
}

// Commit lets the message be delivered. That the server has taken the word is all that nil says; it
// hands it on to its store, and should it get lost there, asks the checker.
//
// It fails with [ErrNothingSent] before [Transaction.Send] has succeeded, and with
// [ErrTransactionEnded] after Commit or [Transaction.Rollback] has. [ErrTransactionExpired] says that
// the server does not listen any more: it does so for 30 seconds after the message was sent and after
// each question to the checker, if that does not end with the time of [WithRecoveryAfter]. The
// checker then decides, so it is the one that must know. Any other failure leaves open what became of
// the transaction; the call may be repeated, and if it is not, the checker is asked. It is tried again
// only where the server was too busy to look at it, since a second attempt finds nothing if the first
// got through.
func (tx *Transaction) Commit(ctx context.Context) error {
	return tx.end(ctx, "commit", v2.TransactionResolution_COMMIT)
}

// Rollback has the server forget the message. It fails as [Transaction.Commit] does.
func (tx *Transaction) Rollback(ctx context.Context) error {
	return tx.end(ctx, "roll back", v2.TransactionResolution_ROLLBACK)
}

func (tx *Transaction) end(ctx context.Context, op string, resolution v2.TransactionResolution) error {
	p := tx.producer
	if err := p.begin(); err != nil {
		return err
	}
	defer p.pending.Done()
	if err := tx.claim(transactionSent); err != nil {
		return err
	}
	err := tx.tell(ctx, op, resolution)
	if err == nil {
		tx.release(transactionEnded, tx.half, false)
		return nil
	}
	var unanswered *TransportError
	tx.release(transactionSent, tx.half, tx.doubt || errors.As(err, &unanswered))
	return err
}

// tell makes the request. It is called by the holder of the claim.
func (tx *Transaction) tell(ctx context.Context, op string, resolution v2.TransactionResolution) error {
	half, p := tx.half, tx.producer
	if age := time.Since(half.born.AsTime()); tx.recovery != nil && age >= *tx.recovery {
		// The server would answer with success, and not do it.
		return illegal(ErrTransactionExpired, "transaction",
			"of message %s was sent %v ago, and is the checker's to decide after %v (WithRecoveryAfter)",
			half.system.MessageId, age, *tx.recovery)
	}
	err := p.endTransaction(ctx, op, half.via, &v2.EndTransactionRequest{
		Topic: half.message.Topic, MessageId: half.system.MessageId, TransactionId: half.transaction,
		Resolution: resolution, Source: v2.TransactionSource_SOURCE_CLIENT, TraceContext: half.system.GetTraceContext(),
	})
	return expired(err, tx.doubt)
}

// endTransaction tells the endpoint that knows the transaction, and no other.
func (p *Producer) endTransaction(ctx context.Context, op string, c *conn, request *v2.EndTransactionRequest) error {
	what := call{op + " transaction of", request.GetTopic().GetName()}
	tooBusy := func(err error) bool { return errors.Is(err, ErrThrottled) }
	return p.repeat(ctx, tooBusy, func() error {
		_, _, err := invoke(ctx, &p.member.identity, c, what, v2.MessagingServiceClient.EndTransaction, request)
		return err
	})
}

// expired recognizes by its words that the server knows the transaction no longer, for which it has
// no code. doubt says that an earlier end may have got through.
func expired(err error, doubt bool) error {
	var refused *StatusError
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "cannot found transaction data") {
		return err
	}
	advice := "end transactions within 30 seconds; the checker will be asked about this one"
	if doubt {
		advice = "the end before, to which no answer came, has got through, or it is too late and the checker will be asked"
	}
	return refused.as(ErrTransactionExpired, advice)
}

// claim begins a call in the state that it needs. Each claim is followed by a release.
func (tx *Transaction) claim(needed transactionState) error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	switch tx.state {
	case needed:
		tx.state = transactionBusy
		return nil
	case transactionBusy:
		return illegal(ErrBusy, "transaction", "is in use by another call: wait for it")
	case transactionEnded:
		return illegal(ErrTransactionEnded, "transaction", "of message %s has been ended already: begin another",
			tx.half.system.MessageId)
	case transactionOpen:
		return illegal(ErrNothingSent, "transaction", "has no message that could be committed or rolled back: send one first")
	default:
		return illegal(ErrTransactionFull, "transaction", "has its message, %s, already: begin one for each message",
			tx.half.system.MessageId)
	}
}

func (tx *Transaction) release(next transactionState, half *outgoing, doubt bool) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.state, tx.half, tx.doubt = next, half, doubt
}
