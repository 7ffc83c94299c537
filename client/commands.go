package client

import (
	"context"
	"runtime"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// maxStackTrace bounds the stack trace that a server can ask for, in bytes. What is longer is cut off.
	maxStackTrace = 1 << 20
	// maxComplaint bounds what is told of the error of a listener, in bytes.
	maxComplaint = 1 << 10

	parallelErrands = 8    // of one session, under way at once
	waitingErrands  = 1024 // of one session; a server that asks for more is told to come again
)

// commands is what a kind of client can do for a server that asks. What is nil it cannot: that is
// refused, or where the protocol has no refusal, logged. It is set before the first session, and its
// functions run beside each other. Their context ends with the session, which waits for them; a panic
// of a user's function is for them to catch.
type commands struct {
	// verify shows a message to the listener, and returns its error. Nothing is settled.
	verify func(ctx context.Context, m *v2.Message) error
	// recover decides a transaction, and tells the server behind from. It has a message and an id.
	recover func(ctx context.Context, from *conn, c *v2.RecoverOrphanedTransactionCommand)
	// unsubscribeLite forgets a lite topic that the server has dropped.
	unsubscribeLite func(liteTopic string)
}

// obey does what the server asks of this member, in another goroutine than that of the reader. A
// command that is unknown here is none of its business.
func (s *session) obey(command *v2.TelemetryCommand) {
	switch c := command.GetCommand().(type) {
	case *v2.TelemetryCommand_PrintThreadStackTraceCommand:
		s.printStackTrace(c.PrintThreadStackTraceCommand.GetNonce())
	case *v2.TelemetryCommand_VerifyMessageCommand:
		s.verify(c.VerifyMessageCommand)
	case *v2.TelemetryCommand_RecoverOrphanedTransactionCommand:
		s.recover(c.RecoverOrphanedTransactionCommand)
	case *v2.TelemetryCommand_NotifyUnsubscribeLiteCommand:
		s.unsubscribeLite(c.NotifyUnsubscribeLiteCommand.GetLiteTopic())
	case *v2.TelemetryCommand_ReconnectEndpointsCommand:
		s.reconnect()
	default:
		s.ignore("unknown here")
	}
}

func (s *session) ignore(why string) {
	s.member.client.cfg.log.Debug("command of the server ignored: "+why, "endpoint", s.conn.name, "client", s.member.id)
}

func (s *session) printStackTrace(nonce string) {
	answer := func(code v2.Code, message, trace string) {
		s.reply(&v2.TelemetryCommand{
			Status: &v2.Status{Code: code, Message: message},
			Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{
				Nonce: nonce, ThreadStackTrace: &trace}},
		})
	}
	if !s.errands.add(s.ctx, func() { answer(v2.Code_OK, "", stackTrace()) }) {
		answer(v2.Code_TOO_MANY_REQUESTS, tooMany, "")
	}
}

const tooMany = "too many commands are waiting"

func (s *session) verify(c *v2.VerifyMessageCommand) {
	answer := func(code v2.Code, message string) {
		s.reply(&v2.TelemetryCommand{
			Status: &v2.Status{Code: code, Message: message},
			Command: &v2.TelemetryCommand_VerifyMessageResult{VerifyMessageResult: &v2.VerifyMessageResult{
				Nonce: c.GetNonce()}},
		})
	}
	switch verify := s.member.commands.verify; {
	case verify == nil:
		answer(v2.Code_NOT_IMPLEMENTED, "this client has no listener")
	case c.GetMessage() == nil:
		answer(v2.Code_BAD_REQUEST, "there is no message")
	case !s.errands.add(s.ctx, func() {
		if err := verify(s.ctx, c.GetMessage()); err != nil {
			answer(v2.Code_FAILED_TO_CONSUME_MESSAGE, cut(err.Error(), maxComplaint))
			return
		}
		answer(v2.Code_OK, "")
	}):
		answer(v2.Code_TOO_MANY_REQUESTS, tooMany)
	}
}

func (s *session) recover(c *v2.RecoverOrphanedTransactionCommand) {
	decide := s.member.commands.recover
	switch {
	case decide == nil:
		s.ignore("this client has no transactions")
	case c.GetMessage() == nil || c.GetTransactionId() == "":
		s.ignore("it names no transaction")
	case !s.errands.add(s.ctx, func() { decide(s.ctx, s.conn, c) }):
		s.member.client.cfg.log.Warn("transaction not checked: "+tooMany+"; the server asks again",
			"endpoint", s.conn.name, "client", s.member.id)
	}
}

func (s *session) unsubscribeLite(liteTopic string) {
	forget := s.member.commands.unsubscribeLite
	switch {
	case forget == nil || liteTopic == "":
		s.ignore("this client has no such lite topic")
	case !s.errands.add(s.ctx, func() { forget(liteTopic) }):
		s.ignore(tooMany)
	}
}

// reply hands an answer to the sender of the stream. It never blocks: a server that asks faster than
// it reads gets no answer, which it must bear anyway.
func (s *session) reply(command *v2.TelemetryCommand) {
	select {
	case s.replies <- command:
	default:
		s.member.client.cfg.log.Warn("answer dropped: too many are waiting", "endpoint", s.conn.name, "client", s.member.id)
	}
}

// errands are what is being done for a server: a few at a time, each in turn, in goroutines that end
// when nothing is left to do.
type errands struct {
	wg sync.WaitGroup // the goroutines

	mu      sync.Mutex // guards what follows
	running int
	waiting []func()
}

// add has do done, unless ctx ends before its turn, and says no if too much is waiting already. It is
// not called any more when somebody waits for wg.
func (e *errands) add(ctx context.Context, do func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.running < parallelErrands:
		e.running++
		e.wg.Go(func() { e.run(ctx, do) })
	case len(e.waiting) < waitingErrands:
		e.waiting = append(e.waiting, do)
	default:
		return false
	}
	return true
}

func (e *errands) run(ctx context.Context, do func()) {
	for do != nil {
		if ctx.Err() == nil {
			do()
		}
		do = e.next()
	}
}

func (e *errands) next() func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		e.running--
		return nil
	}
	do := e.waiting[0]
	e.waiting[0] = nil // or the array would keep it alive
	e.waiting = e.waiting[1:]
	return do
}

// stackTrace returns the stacks of all goroutines, as far as they fit.
func stackTrace() string {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= maxStackTrace {
			return string(buf[:n])
		}
	}
}

// cut returns the first bytes of s, without half a character at the end.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xC0 == 0x80 {
		most--
	}
	return s[:most]
}
