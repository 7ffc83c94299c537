package broker

import (
	"errors"
	"path"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

// stream is called with each call that has several answers.
func (g *gate) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if info.IsClientStream {
		return g.newTalk(stream, info).run(service, handle) // later the gate may not be idle
	}
	s := &answerStream{ServerStream: stream, gate: g, method: info.FullMethod, seen: !g.idle()}
	return s.end(handle(service, s))
}

// An answerStream is a call with one request and several answers. One goroutine has it.
type answerStream struct {
	grpc.ServerStream
	gate    *gate
	method  string
	seen    bool // it is remembered, and faults may happen to it
	read    bool // the request has come: number and verdict are set
	number  uint64
	verdict verdict
	outcome outcome
}

// RecvMsg reads the request, unless the service is not to have it.
func (s *answerStream) RecvMsg(m any) (err error) {
	apart(func() { err = s.receive(m) })
	return err
}

func (s *answerStream) receive(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil || !s.seen {
		return err
	}
	c := s.gate.newCall(s.Context(), s.method)
	c.read(m)
	s.number, s.verdict = s.gate.enter(&c)
	s.read = true
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
	if !s.seen {
		return s.ServerStream.SendMsg(m)
	}
	s.outcome.read(m)
	switch s.verdict.ends().kind {
	case actDropResponse, actCutAfter:
		return nil
	}
	return s.ServerStream.SendMsg(m)
}

// end is called with the error of the service, and gives that of the call.
func (s *answerStream) end(err error) error {
	if !s.read {
		return err
	}
	err = s.happen(err)
	s.outcome.err = err
	s.gate.log.end(s.number, &s.outcome)
	return err
}

// happen lets happen what is to happen instead of the answer.
func (s *answerStream) happen(err error) error {
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
	rpc := path.Base(s.method)
	answer, err := answerWith(rpc, s.verdict.ends().status())
	if err != nil {
		return err
	}
	s.outcome.read(answer)
	if err := s.ServerStream.SendMsg(answer); err != nil {
		return err
	}
	if rpc == "ReceiveMessage" {
		return s.ServerStream.SendMsg(timeFrame())
	}
	return nil
}

// A talk is a telemetry stream. One goroutine receives, another may send.
type talk struct {
	grpc.ServerStream
	gate    *gate
	method  string
	number  uint64
	verdict verdict // on the stream, not on what is said there

	mu sync.Mutex // held while something is sent: a fault answers beside the service
}

func (g *gate) newTalk(stream grpc.ServerStream, info *grpc.StreamServerInfo) *talk {
	c := g.newCall(stream.Context(), info.FullMethod)
	number, v := g.enter(&c)
	return &talk{ServerStream: stream, gate: g, method: info.FullMethod, number: number, verdict: v}
}

// run lets the service have the stream.
func (t *talk) run(service any, handle grpc.StreamHandler) error {
	served, err := t.begin()
	if served {
		err = handle(service, t)
	}
	return t.end(err)
}

func (t *talk) end(err error) error {
	if err == nil && t.verdict.ends().kind == actDropResponse {
		err = silence(t.Context())
	}
	t.gate.log.end(t.number, &outcome{err: err})
	return err
}

// begin does what is to happen before the service has the stream, and tells whether it is to have it.
func (t *talk) begin() (bool, error) {
	if err := t.gate.before(t.Context(), t.verdict); err != nil {
		return false, err
	}
	if a := t.verdict.ends(); a.kind == actAnswer {
		return false, t.say(&v2.TelemetryCommand{Status: a.status()})
	}
	return true, nil
}

// RecvMsg reads the next command that the service is to have.
func (t *talk) RecvMsg(m any) error {
	command, ok := m.(*v2.TelemetryCommand)
	if !ok {
		return t.ServerStream.RecvMsg(m)
	}
	for {
		e := new(encoded)
		if err := t.ServerStream.RecvMsg(e); err != nil {
			return err
		}
		if lost, err := t.hear(*e, command); err != nil || !lost {
			return err
		}
	}
}

// hear decodes a command, apart from the goroutine that waits for the next. It tells whether the
// command is lost.
func (t *talk) hear(e encoded, command *v2.TelemetryCommand) (lost bool, err error) {
	apart(func() {
		if err = e.decode(command); err == nil {
			lost, _, err = t.pass(command, false)
		}
	})
	return lost, err
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
	c := t.gate.newCall(t.Context(), t.method)
	c.ToClient = toClient
	c.readCommand(command)
	_, v = t.gate.enter(&c)
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
