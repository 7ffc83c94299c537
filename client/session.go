package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

const (
	settingsInterval = 5 * time.Minute // after which settings are exchanged again, changed or not
	pendingReplies   = 16
	partingTime      = 500 * time.Millisecond // for a server to end a stream that is to move
)

var (
	errNotNeeded  = errors.New("the endpoint has left the routes")
	errStreamOver = errors.New("the server ended the stream")
	errNoSettings = errors.New("the server did not answer with its settings")
	errMoved      = errors.New("the connection has been replaced")
)

// A session is the telemetry stream of one member to one endpoint. Over it the settings of both
// sides are exchanged: a server that has not seen the member's knows nothing of it and serves it
// nothing. It lives, over as many streams as that takes, until its context ends; its goroutines are
// waited for by the member.
type session struct {
	member *member
	conn   *conn
	ctx    context.Context
	cancel context.CancelCauseFunc

	again   chan struct{}             // holds one, if the settings are to be sent again
	replies chan *v2.TelemetryCommand // received by the sender of the stream alone
	errands errands                   // what the server has asked for; added to by the receiver alone
	live    atomic.Bool               // the server has answered on the present stream; stored under mu

	mu      sync.Mutex    // guards what follows
	outcome chan struct{} // closed, and replaced, when the server has answered or the stream has failed
	err     error         // of the last stream that failed
}

func newSession(m *member, c *conn) *session {
	s := &session{member: m, conn: c,
		again: make(chan struct{}, 1), replies: make(chan *v2.TelemetryCommand, pendingReplies),
		outcome: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(m.ctx)
	return s
}

// announceAgain has the settings sent at once, if a stream is open; a new one begins with them anyway.
func (s *session) announceAgain() {
	select {
	case s.again <- struct{}{}:
	default: // they will be sent, and are composed only then
	}
}

// await returns nil when the server knows the member. If it does not yet, await waits for the
// outcome of the attempt under way, or of the next, and returns its error.
func (s *session) await(ctx context.Context) error {
	if s.live.Load() {
		return nil
	}
	s.mu.Lock()
	live, outcome := s.live.Load(), s.outcome
	s.mu.Unlock()
	if live {
		return nil
	}
	select {
	case <-outcome:
	case <-s.ctx.Done(): // there may be no further outcome
		return s.over()
	case <-ctx.Done():
		return s.exchange("").interrupted(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live.Load() {
		return nil
	}
	return s.err
}

// settle records an outcome, nil if the server has answered, and wakes those who await it.
func (s *session) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live.Store(err == nil)
	s.err = err
	close(s.outcome)
	s.outcome = make(chan struct{})
}

// doze has those who come wait for the next outcome, and those who wait go on waiting.
func (s *session) doze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live.Store(false)
}

// run keeps a stream open. What ends it is s.ctx.
func (s *session) run() {
	var wg sync.WaitGroup
	wg.Go(s.heartbeats)
	defer wg.Wait()
	defer s.errands.wg.Wait() // no stream is open then that could add to them
	delay := newReconnectBackoff()
	var doubt doubt
	for {
		err := s.stream()
		if s.ctx.Err() != nil {
			break
		}
		if errors.Is(err, errMoved) {
			s.doze() // the new stream is there in a moment
			continue
		}
		if s.live.Load() {
			delay.Reset()
		}
		s.report(err)
		s.settle(err)
		if doubt.grows(err) && s.replace(s.conn.made.Load(), err) {
			continue
		}
		if pacing.Wait(s.ctx, delay.NextBackOff()) != nil {
			break
		}
	}
	s.settle(s.over())
}

// over is the error for those who await a session that has ended. One that was not needed any more
// has not been closed by its user: the call finds its way when it is repeated.
func (s *session) over() error {
	if cause := context.Cause(s.ctx); errors.Is(cause, errNotNeeded) {
		return s.exchange("").withoutAnswer(ErrUnavailable, cause)
	}
	return closedError("session with " + s.conn.name)
}

// report logs that the stream broke: once as a warning, and while it fails again for debugging only.
func (s *session) report(err error) {
	log := s.member.client.cfg.log.Debug
	if s.err == nil {
		log = s.member.client.cfg.log.Warn
	}
	log("session interrupted", "endpoint", s.conn.name, "client", s.member.id, "error", err)
}

func (s *session) exchange(requestID string) exchange {
	return exchange{op: "open session of", target: s.member.name(), endpoint: s.conn.name, requestID: requestID}
}

// stream opens one stream and serves it until it ends, which is never without an error.
func (s *session) stream() error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	// The watchdog gives up on a server that takes the settings and says nothing.
	watchdog := time.AfterFunc(s.member.timeout, func() { cancel(errNoSettings) })
	defer watchdog.Stop()
	x := s.exchange("")
	signed, requestID, err := s.member.sign(ctx)
	if err != nil {
		return err
	}
	x.requestID = requestID
	link, err := s.conn.link(ctx)
	if err != nil {
		return s.failure(ctx, x, err)
	}
	stream, err := link.rpc.Telemetry(signed)
	if err != nil {
		return s.failure(ctx, x, err)
	}
	received := make(chan error, 1)
	go func() { received <- s.receive(stream, x, watchdog) }()
	cancel(s.send(stream, link, received))
	return s.failure(ctx, x, <-received)
}

// failure words why a stream ended.
func (s *session) failure(ctx context.Context, x exchange, err error) error {
	var refused *StatusError
	switch {
	case errors.As(err, &refused):
		return err
	case errors.Is(context.Cause(ctx), errMoved):
		return errMoved
	case errors.Is(context.Cause(ctx), errNoSettings):
		return x.withoutAnswer(ErrNoAnswer, errNoSettings)
	case errors.Is(err, io.EOF):
		return x.withoutAnswer(ErrUnavailable, errStreamOver)
	default:
		return x.transportError(s.ctx, err)
	}
}

type telemetryStream = grpc.BidiStreamingClient[v2.TelemetryCommand, v2.TelemetryCommand]

// send is the only sender of its stream, since grpc allows one at a time. It returns when the stream
// is over, with errMoved if it must move to another connection, and otherwise with what the receiver
// knows better.
func (s *session) send(stream telemetryStream, link *link, received chan error) error {
	repeat := time.NewTicker(settingsInterval)
	defer repeat.Stop()
	announce := func() error {
		return stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: s.member.settings()}})
	}
	select {
	case <-s.again: // what is asked for happens now
	default:
	}
	err := announce() // before anything else: the server must know whose answers it gets
	for err == nil {
		select {
		case <-s.again:
			err = announce()
		case reply := <-s.replies:
			err = stream.Send(reply)
		case <-repeat.C:
			err = announce()
		case <-link.retired:
			s.part(stream, received)
			return errMoved
		case err := <-received:
			received <- err // put back for the one who waits
			return errStreamOver
		}
	}
	return errStreamOver
}

// part ends a stream in order, so that the answers sent on it arrive.
func (s *session) part(stream telemetryStream, received chan error) {
	for len(s.replies) > 0 { // there is no other who takes any
		if stream.Send(<-s.replies) != nil {
			return
		}
	}
	if stream.CloseSend() != nil {
		return
	}
	patience := time.NewTimer(partingTime)
	defer patience.Stop()
	select {
	case err := <-received:
		received <- err
	case <-patience.C:
	case <-s.ctx.Done():
	}
}

// receive takes what the server sends until the stream ends.
func (s *session) receive(stream telemetryStream, x exchange, watchdog *time.Timer) error {
	for {
		command, err := stream.Recv()
		if err != nil {
			return err
		}
		if command.GetStatus() != nil {
			if err := x.statusError(command.GetStatus()); err != nil {
				s.member.forget()
				return err
			}
		}
		if settings := command.GetSettings(); settings != nil {
			watchdog.Stop()
			s.member.adopt(settings)
			s.member.client.exporter.follow(settings.GetMetric())
			s.conn.isolated.Store(false)
			s.settle(nil)
			if do := s.member.acquainted; do != nil {
				s.errands.add(s.ctx, func() { do(s.ctx, s.conn) }) // if there is no room, the next answer comes
			}
			continue
		}
		s.obey(command)
	}
}
