package broker

import (
	"errors"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

// stream is called with each call that has several answers.
func (g *gate) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if info.IsClientStream {
		return g.converse(service, stream, info, handle) // later it may not be idle
	}
	if g.idle() {
		return handle(service, stream)
	}
	s := &answerStream{ServerStream: stream, gate: g, call: g.newCall(stream.Context(), info.FullMethod)}
	err := s.end(handle(service, s))
	if s.read {
		s.outcome.err, s.outcome.fault = err, s.verdict.String()
		g.log.end(s.number, &s.outcome)
	}
	return err
}

// An answerStream is a call with one request and several answers. One goroutine has it.
type answerStream struct {
	grpc.ServerStream
	gate    *gate
	call    Call
	read    bool // the request has come: call is complete, and number and verdict are set
	number  uint64
	verdict verdict
	outcome outcome
}

// RecvMsg reads the request, unless the service is not to have it.
func (s *answerStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	s.call.read(m)
	s.number, s.verdict, s.read = s.gate.log.begin(&s.call), s.gate.faults.judge(&s.call), true
	if err := s.gate.before(s.Context(), s.verdict); err != nil {
		return err
	}
	if s.verdict.ends().kind == actAnswer {
		return errAnswered
	}
	return nil
}

// SendMsg sends an answer, unless the client is not to have it.
func (s *answerStream) SendMsg(m any) error {
	s.outcome.read(m)
	switch s.verdict.ends().kind {
	case actDropResponse, actCutAfter:
		return nil
	}
	return s.ServerStream.SendMsg(m)
}

// end is called with the error of the service, and gives that of the call.
func (s *answerStream) end(err error) error {
	if errors.Is(err, errAnswered) {
		return s.refuse()
	}
	if err != nil {
		return err
	}
	return after(s.Context(), s.verdict)
}

// refuse answers with what was injected.
func (s *answerStream) refuse() error {
	answer, err := answerWith(s.call.RPC, s.verdict.ends().status())
	if err != nil {
		return err
	}
	s.outcome.read(answer)
	if err := s.ServerStream.SendMsg(answer); err != nil {
		return err
	}
	if s.call.RPC == "ReceiveMessage" {
		return s.ServerStream.SendMsg(timeFrame())
	}
	return nil
}

// converse is called with a telemetry stream.
func (g *gate) converse(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c := g.newCall(stream.Context(), info.FullMethod)
	number, v := g.log.begin(&c), g.faults.judge(&c)
	t := &talk{ServerStream: stream, gate: g, call: c, verdict: v}
	err := t.run(func() error { return handle(service, t) })
	g.log.end(number, &outcome{err: err, fault: v.String()})
	return err
}

// A talk is a telemetry stream. One goroutine receives, another may send.
type talk struct {
	grpc.ServerStream
	gate    *gate
	call    Call    // the stream, as it began
	verdict verdict // on the stream, not on what is said there

	mu sync.Mutex // held while something is sent: a fault answers beside the service
}

func (t *talk) run(handle func() error) error {
	if err := t.gate.before(t.Context(), t.verdict); err != nil {
		return err
	}
	a := t.verdict.ends()
	if a.kind == actAnswer {
		return t.say(&v2.TelemetryCommand{Status: a.status()})
	}
	if err := handle(); err != nil || a.kind != actDropResponse {
		return err
	}
	return silence(t.Context())
}

// RecvMsg reads the next command that the service is to have.
func (t *talk) RecvMsg(m any) error {
	for {
		if err := t.ServerStream.RecvMsg(m); err != nil {
			return err
		}
		command, ok := m.(*v2.TelemetryCommand)
		if !ok {
			return nil
		}
		if lost, _, err := t.pass(command, false); err != nil || !lost {
			return err
		}
	}
}

// SendMsg sends a command, unless the client is not to have it.
func (t *talk) SendMsg(m any) error {
	command, ok := m.(*v2.TelemetryCommand)
	if !ok {
		return t.say(m)
	}
	lost, v, err := t.pass(command, true)
	if err != nil || lost {
		return err
	}
	switch t.verdict.ends().kind {
	case actDropResponse:
		return nil
	case actCutAfter:
		return cut(t.Context())
	}
	if err := t.say(m); err != nil {
		return err
	}
	return after(t.Context(), v)
}

func (t *talk) say(m any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ServerStream.SendMsg(m)
}

// pass writes a command down, and lets happen to it what was injected. It tells whether the command
// is lost.
func (t *talk) pass(command *v2.TelemetryCommand, toClient bool) (lost bool, v verdict, err error) {
	if t.gate.idle() {
		return false, nil, nil
	}
	c := t.call
	c.At, c.ToClient = time.Now(), toClient
	c.readCommand(command)
	v = t.gate.faults.judge(&c)
	c.Fault = v.String()
	t.gate.log.begin(&c)
	for _, a := range v {
		switch a.kind {
		case actDropRequest, actDropResponse:
			return true, v, nil
		case actAnswer:
			return true, v, t.say(&v2.TelemetryCommand{Status: a.status()})
		}
		if err := t.gate.do(t.Context(), a); err != nil {
			return true, v, err
		}
	}
	return false, v, nil
}
