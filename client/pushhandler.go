package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A Handler consumes a message. It is called from several goroutines at once; see [WithConcurrency].
//
// When it returns nil, the message is acknowledged. An error hands it back, to come again after the
// group's backoff for its attempt; on a FIFO group it is tried again here after that time, with the
// messages behind it waiting. When the group's attempts are used up, the message goes to the dead
// letters. [SuspendFor] is an error that says when. A panic is an error, a [*PanicError].
//
// The message is the handler's own. The context has the values of that of [PushConsumer.Run], but does not
// end with it: only when the drain has lasted too long.
type Handler func(ctx context.Context, m *Message) error

func checkHandler(h Handler) error {
	if h == nil {
		return illegal(nil, "handler", "is nil")
	}
	return nil
}

// A PanicError is a handler that panicked.
type PanicError struct {
	Value any    // given to panic
	Stack []byte // of the goroutine, from the panic upwards
}

// Error quotes the value; the stack is in its field.
func (e *PanicError) Error() string { return fmt.Sprintf("client: the handler panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// shortestSuspension is the least that servers suspend for.
const shortestSuspension = 50 * time.Millisecond

// suspension is the error of a message that is to come later.
type suspension struct{ after time.Duration }

// Error says for how long.
func (s *suspension) Error() string {
	return fmt.Sprintf("client: suspended for %v", s.after)
}

// SuspendFor returns an error by which a [Handler] says that it cannot consume the message now, which is
// no failure: it comes again after the given time, at least 50 milliseconds, and no attempt is counted.
// On a FIFO group the messages behind it wait. It may be wrapped.
func SuspendFor(d time.Duration) error { return &suspension{max(d, shortestSuspension)} }

// suspended returns for how long err asks to suspend.
func suspended(err error) (time.Duration, bool) {
	var s *suspension
	if errors.As(err, &s) {
		return s.after, true
	}
	return 0, false
}

// call runs the handler with a message that arrived at some time.
func (p *pusher) call(ctx context.Context, m *Message, arrived time.Time) (err error) {
	ctx, told := p.consumer.client.observer.consume(ctx, p.consumer, m, arrived)
	err = errExited // unless the handler returns
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		told.end(err)
	}()
	return p.handle(ctx, m)
}

var errExited = errors.New("client: the handler ended its goroutine")

var errNotRunning = errors.New("client: the consumer does not run yet")

// verify shows the handler a message that a server has picked, and settles nothing.
func (p *pusher) verify(_ context.Context, m *v2.Message) error {
	p.mu.Lock()
	ctx := p.handling
	p.mu.Unlock()
	if ctx == nil {
		return errNotRunning // a server may know it already, by a subscription
	}
	decoded := decode(m, "")
	if decoded.Err != nil {
		return decoded.Err
	}
	return p.call(ctx, decoded, time.Now())
}
