package client

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kinds of failure, for errors.Is. An error of a call carries the facts as well: a [*StatusError] if
// the server refused, a [*TransportError] if it did not answer, an [*ArgumentError] if the call was
// refused here, before anything was sent.
var (
	// ErrClosed is returned by calls on what has been closed, and to those which the closing cut short.
	ErrClosed = errors.New("closed")

	// ErrUnavailable says that no connection to the endpoint stands: nothing was done there, or it
	// was done and the answer got lost.
	ErrUnavailable = errors.New("endpoint unreachable")
	// ErrNoAnswer says that the endpoint did not answer in time. The request may have been executed.
	ErrNoAnswer = errors.New("no answer in time")
	// ErrBadAnswer is an answer that the protocol does not allow.
	ErrBadAnswer = errors.New("answer makes no sense")

	// ErrUnauthorized says that the credentials are missing, wrong, or not permitted to do this.
	ErrUnauthorized = errors.New("not authorized")
	// ErrForbidden says that the topic or group does not allow this, whoever asks.
	ErrForbidden = errors.New("forbidden")
	// ErrThrottled says that the server is busy; the same call may succeed later.
	ErrThrottled = errors.New("throttled")
	// ErrQuota says that a quota of lite topics or of subscriptions to them is used up. Waiting does not
	// help: what is not needed any more must be given up, or the quota raised.
	ErrQuota = errors.New("quota used up")
	// ErrInternal is a failure inside the server; the same call may succeed later.
	ErrInternal = errors.New("internal server error")
	// ErrTimedOut says that the server gave up waiting for one of its parts. A message may be stored
	// all the same.
	ErrTimedOut = errors.New("timed out inside the server")
	// ErrUnsupported says that this server does not know the operation.
	ErrUnsupported = errors.New("not supported by the server")
	// ErrBadRequest is a request that the server refused for a reason without a name of its own.
	ErrBadRequest = errors.New("bad request")

	// ErrTopicNotFound says that there is no such topic.
	ErrTopicNotFound = errors.New("topic not found")
	// errTopicGone is the same of a topic that has been there.
	errTopicGone = fmt.Errorf("%w any more", ErrTopicNotFound)
	// ErrGroupNotFound says that there is no such consumer group.
	ErrGroupNotFound = errors.New("consumer group not found")
	// ErrMessageNotFound says that the message is not there, or no longer.
	ErrMessageNotFound = errors.New("message not found")

	// ErrBodyTooLarge is a message body over the limit of the server.
	ErrBodyTooLarge = errors.New("body too large")
	// ErrBodyEmpty is a message without a body.
	ErrBodyEmpty = errors.New("body empty")
	// ErrPropertiesTooLarge says that a message has too many properties, or too long ones.
	ErrPropertiesTooLarge = errors.New("properties too large")
	// ErrMessageType is a message of a type that its topic does not take.
	ErrMessageType = errors.New("wrong type of message for the topic")

	// ErrIllegalTopic is a topic name that the protocol does not allow, or one that the server keeps
	// for itself.
	ErrIllegalTopic = errors.New("illegal topic")
	// ErrIllegalGroup is a consumer group name that the protocol does not allow.
	ErrIllegalGroup = errors.New("illegal consumer group")
	// ErrIllegalTag is a tag that the protocol does not allow.
	ErrIllegalTag = errors.New("illegal tag")
	// ErrIllegalKey is a message key that the protocol does not allow.
	ErrIllegalKey = errors.New("illegal key")
	// ErrIllegalMessageGroup is a message group that the protocol does not allow.
	ErrIllegalMessageGroup = errors.New("illegal message group")
	// ErrIllegalProperty is a message property that the protocol does not allow.
	ErrIllegalProperty = errors.New("illegal property")
	// ErrIllegalFilter is a filter expression that the server cannot read.
	ErrIllegalFilter = errors.New("illegal filter")
	// ErrIllegalInvisibleDuration is an invisible duration outside the limits of the server.
	ErrIllegalInvisibleDuration = errors.New("illegal invisible duration")
	// ErrIllegalPollingTime says that a poll had too little time left to be worth its while.
	ErrIllegalPollingTime = errors.New("illegal polling time")
	// ErrIllegalDeliveryTime is a delivery time too far in the future.
	ErrIllegalDeliveryTime = errors.New("illegal delivery time")
	// ErrIllegalPriority is a priority below 0, or too high to be written.
	ErrIllegalPriority = errors.New("illegal priority")

	// ErrNoChecker says that the producer has no [WithTransactionChecker], without which it can begin
	// no transaction.
	ErrNoChecker = errors.New("no transaction checker")
	// ErrNothingSent says that a transaction has no message yet, so that there is nothing to end.
	ErrNothingSent = errors.New("nothing sent in the transaction")
	// ErrTransactionFull says that a transaction has its one message already.
	ErrTransactionFull = errors.New("transaction has its message")
	// ErrTransactionEnded says that a transaction has been committed or rolled back already.
	ErrTransactionEnded = errors.New("transaction already ended")
	// ErrTransactionExpired says that a transaction was ended too late, or a second time: the server
	// does not listen any more. If it has not been ended, the checker will be asked.
	ErrTransactionExpired = errors.New("transaction not known to the server any more")
	// ErrNotRecalled says that the server refused to take a message back.
	ErrNotRecalled = errors.New("message not recalled")

	// ErrReceiptExpired says that the invisible duration of a delivery has passed: the server has
	// handed the message to somebody else, or will.
	ErrReceiptExpired = errors.New("receipt expired")
	// ErrSettled says that the delivery has been settled already.
	ErrSettled = errors.New("delivery already settled")
	// ErrBusy says that another call on the same delivery or transaction is under way.
	ErrBusy = errors.New("in use by another call")
	// ErrNotSent is a message that is certainly not stored: one of a batch that was held back, because
	// an earlier one of its message group had failed and order would have been lost, or one whose
	// caller left while it waited for a request.
	ErrNotSent = errors.New("not sent")

	// ErrCorrupted is a received body that does not match its digest; see [Message.Err].
	ErrCorrupted = errors.New("body corrupted")
	// ErrUndecodable is a received body in an encoding that this client cannot read; see [Message.Err].
	ErrUndecodable = errors.New("body not decodable")
)

// StatusError is a request that the server refused for good: what may be retried has been.
type StatusError struct {
	Op, Target string // such as "send" and "orders"
	Endpoint   string // that answered
	Code       int32  // RocketMQ's own, such as 40402; 0 if the answer had none
	Message    string // the server's words, not to be compared
	RequestID  string // to be found in the server's log

	kind   error
	advice string
}

// as returns the same refusal, known to be of another kind.
func (e *StatusError) as(kind error, advice string) error {
	known := *e
	known.kind, known.advice = kind, advice
	return &known
}

// gone returns the error of a request about a topic whose route is known. A server that does not find such
// a topic may have lost sight of its broker: the name servers forget the topics of one that is down.
func gone(err error) error {
	if refused, ok := errors.AsType[*StatusError](err); ok && errors.Is(refused.kind, ErrTopicNotFound) {
		return refused.as(errTopicGone, "see that its broker is up, or create the topic again")
	}
	return err
}

// quoted bounds what [StatusError.Error] repeats of the server's words, in bytes.
const quoted = 300

// Error names what was asked, why it was refused, by whom and in which words, and what to do.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("client: %s %q: %v (code %d from %s, request %s)",
		e.Op, e.Target, e.kind, e.Code, e.Endpoint, e.RequestID)
	// The first line says it; what may follow is a link.
	if words, _, _ := strings.Cut(e.Message, "\n"); words != "" {
		text += fmt.Sprintf(": the server says %.*q", quoted, words)
	}
	if e.advice != "" {
		text += ": " + e.advice
	}
	return text
}

// Unwrap returns the kind, such as [ErrTopicNotFound].
func (e *StatusError) Unwrap() error { return e.kind }

// TransportError is a request to which no answer came.
type TransportError struct {
	Op, Target string // such as "send" and "orders"
	Endpoint   string // empty if the caller left while the message waited for its request, or was in one with others
	RequestID  string

	kind  error // ErrUnavailable and its like; nil if the caller's context ended the request
	cause error
}

// Error names what was asked, of whom, and why there is no answer.
func (e *TransportError) Error() string {
	from := ""
	switch {
	case e.RequestID != "":
		from = fmt.Sprintf(" (%s, request %s)", e.Endpoint, e.RequestID)
	case e.Endpoint != "":
		from = fmt.Sprintf(" (%s)", e.Endpoint)
	}
	if e.kind == nil {
		return fmt.Sprintf("client: %s %q: ended by the caller before the answer%s: %v", e.Op, e.Target, from, e.cause)
	}
	text := fmt.Sprintf("client: %s %q: %v%s: %s", e.Op, e.Target, e.kind, from, describe(e.cause))
	if errors.Is(e.kind, ErrUnavailable) {
		text += ": check the address, that the server is up, and that both sides use TLS" +
			" (WithTLSConfig) or neither (WithPlaintext)"
	}
	return text
}

// Unwrap returns the kind, if there is one, and the cause.
func (e *TransportError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// describe leaves out what grpc puts before the description of a status.
func describe(err error) string {
	if s, ok := status.FromError(err); ok && s.Code() != codes.OK && s.Message() != "" {
		return s.Message()
	}
	return err.Error()
}

// ArgumentError is a call refused before anything was sent.
type ArgumentError struct {
	Field   string // such as "message group"
	Problem string // says the value, or its size, and the limit; never a body or a secret

	kind error
}

// Error names the field and what is wrong with it.
func (e *ArgumentError) Error() string { return "client: " + e.Field + ": " + e.Problem }

// Unwrap returns the kind, such as [ErrBodyTooLarge].
func (e *ArgumentError) Unwrap() error { return e.kind }

func illegal(kind error, field, format string, args ...any) error {
	return &ArgumentError{Field: field, Problem: fmt.Sprintf(format, args...), kind: kind}
}

// OptionError is an option with a value that cannot be, or two that exclude each other.
type OptionError struct {
	Option  string // such as "WithRequestTimeout"
	Problem string
}

// Error names the option and what is wrong with it.
func (e *OptionError) Error() string { return "client: " + e.Option + ": " + e.Problem }

// BatchError says which messages of a batch failed. The others are stored.
type BatchError struct {
	Errors map[int]error // by index in the batch
	Size   int           // of the batch
}

// Error counts the failures and quotes the one with the lowest index.
func (e *BatchError) Error() string {
	for i := range e.Size {
		if err := e.Errors[i]; err != nil {
			return fmt.Sprintf("client: %d of %d messages failed: message %d: %s",
				len(e.Errors), e.Size, i, withoutPrefix(err))
		}
	}
	return fmt.Sprintf("client: %d of %d messages failed", len(e.Errors), e.Size)
}

// Unwrap returns the failures, in the order of the batch.
func (e *BatchError) Unwrap() []error {
	out := make([]error, 0, len(e.Errors))
	for i := range e.Size {
		if err := e.Errors[i]; err != nil {
			out = append(out, err)
		}
	}
	return out
}

// AckError says which deliveries of a call could not be acknowledged. The others are.
type AckError struct {
	Failed []AckFailure
	Size   int // how many were to be acknowledged
}

// AckFailure is one delivery that was not acknowledged, and why.
type AckFailure struct {
	Delivery *Delivery
	Err      error
}

// Error counts the failures and quotes the first.
func (e *AckError) Error() string {
	text := fmt.Sprintf("client: %d of %d deliveries not acknowledged", len(e.Failed), e.Size)
	if len(e.Failed) > 0 {
		first := e.Failed[0]
		text += fmt.Sprintf(": message %s: %s", first.Delivery.ID, withoutPrefix(first.Err))
	}
	return text
}

// Unwrap returns the failures.
func (e *AckError) Unwrap() []error {
	out := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		out[i] = f.Err
	}
	return out
}

// withoutPrefix keeps the name of the package from standing twice in one text.
func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "client: ") }
