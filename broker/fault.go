package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
)

// Match chooses calls by what they are about. What is empty chooses all.
type Match struct {
	RPC string // the method, as "SendMessage"

	// Command is what is said on a telemetry stream, by the protocol's name for it, as "settings" or
	// "recover_orphaned_transaction_command".
	Command string

	Topic, Group string
	Client       string // the client's id

	// Endpoint is where the call arrived in a [Cluster]: at which proxy, or at which broker that is its
	// own. Elsewhere no call has one.
	Endpoint string
}

// A Fault is a rule by which calls go wrong: which ones, and how. Commands on telemetry streams go
// wrong only by a rule that names them.
type Fault struct {
	On Match

	// Skip lets the first calls that match pass. Every then takes each nth of them only; 0 and 1 are
	// for each. Times is how many calls are hit at most; 0 is for no limit. So the fifth call alone
	// is Skip 4 and Times 1.
	Skip, Every, Times int

	// Probability is how likely a call is hit that all else has chosen, from 0 to 1; 0 stands for 1.
	// Which of them are, Seed decides: with the same seed they are the same again.
	Probability float64
	Seed        uint64

	// From and Until bound the time in which the rule holds, counted from its injection; Until 0 is
	// for no end.
	From, Until time.Duration

	Do Action
}

// An Action is what becomes of a call that a [Fault] hits. It is made by a function of this package.
type Action struct {
	kind actionKind
	time time.Duration // of a delay or a frost
	code int32         // the protocol's, or that of gRPC
	text string
}

type actionKind int

const (
	actDelay actionKind = iota + 1
	actFreeze
	actAnswer
	actFail
	actDropRequest
	actDropResponse
	actCutBefore
	actCutAfter
)

// AnswerCode answers with a code of the protocol, such as 42900 for too many requests, and a text.
// Nothing else happens to what was asked for. The gRPC call itself succeeds, as it does when the
// server refuses something.
func AnswerCode(code int32, message string) Action {
	return Action{kind: actAnswer, code: code, text: message}
}

// AnswerGRPC fails the call with a status of gRPC. What was asked for is not done.
func AnswerGRPC(code codes.Code, message string) Action {
	return Action{kind: actFail, code: int32(code), text: message}
}

// DelayBy lets the broker have the request later. A call may be delayed and then be hit by another
// fault.
func DelayBy(d time.Duration) Action { return Action{kind: actDelay, time: d} }

// FreezeFor freezes the broker as [Broker.Freeze] does, for a time that begins with the request,
// which it then has.
func FreezeFor(d time.Duration) Action { return Action{kind: actFreeze, time: d} }

// DropRequest loses the request: the broker never has it, and the client never has an answer, until
// its deadline or the end of the connection.
func DropRequest() Action { return Action{kind: actDropRequest} }

// DropResponse loses the answer: what was asked for is done, and the client does not learn of it.
func DropResponse() Action { return Action{kind: actDropResponse} }

// CutBefore breaks the connection on which the request came, before anything is done.
func CutBefore() Action { return Action{kind: actCutBefore} }

// CutAfter does what was asked for, and then breaks the connection instead of answering.
func CutAfter() Action { return Action{kind: actCutAfter} }

// String says what is done, as the log of calls does.
func (a Action) String() string {
	switch a.kind {
	case actDelay:
		return "delayed by " + a.time.String()
	case actFreeze:
		return "frozen for " + a.time.String()
	case actAnswer:
		return fmt.Sprintf("answered with code %d", a.code)
	case actFail:
		return fmt.Sprintf("failed with %v", codes.Code(a.code))
	case actDropRequest:
		return "request dropped"
	case actDropResponse:
		return "response dropped"
	case actCutBefore:
		return "connection cut before"
	case actCutAfter:
		return "connection cut after"
	}
	return "nothing"
}

// final tells whether the action ends the call, so that no other can follow.
func (a Action) final() bool { return a.kind != actDelay && a.kind != actFreeze }

// applies tells whether the action can be done to a command on a telemetry stream, by its direction.
func (a Action) applies(toClient bool) bool {
	switch a.kind {
	case actAnswer, actFail, actDropRequest:
		return !toClient
	case actDropResponse, actCutAfter:
		return toClient
	}
	return true
}

// FaultError is a fault that cannot be injected.
type FaultError struct {
	On      Match
	Reasons []string // all that is wrong with it
}

// Error names the call that was meant and all reasons.
func (e *FaultError) Error() string {
	return fmt.Sprintf("broker: inject a fault on %s: %s", e.On, strings.Join(e.Reasons, "; "))
}

// validate fails with a [*FaultError] if the rule cannot be meant.
func (f Fault) validate() error {
	e := &FaultError{On: f.On}
	refuseIf := func(wrong bool, reason string) {
		if wrong {
			e.Reasons = append(e.Reasons, reason)
		}
	}
	refuseIf(f.On.RPC != "" && !slices.Contains(rpcs(), f.On.RPC), "no such RPC: use one of "+strings.Join(rpcs(), ", "))
	refuseIf(f.Skip < 0 || f.Every < 0 || f.Times < 0, "Skip, Every and Times must not be negative")
	refuseIf(!(f.Probability >= 0 && f.Probability <= 1), "Probability must be from 0 to 1")
	refuseIf(f.From < 0 || f.Until < 0, "From and Until must not be negative")
	refuseIf(f.Until != 0 && f.Until <= f.From, "Until must be later than From")
	refuseIf(f.Do.kind == 0, "Do is missing: use one of the functions that make an Action")
	refuseIf(f.Do.time < 0, "the time of a delay or a frost must not be negative")
	refuseIf(f.Do.kind == actFail && codes.Code(f.Do.code) == codes.OK, "AnswerGRPC with OK is no failure")
	if f.On.Command != "" {
		f.validateCommand(refuseIf)
	}
	if e.Reasons == nil {
		return nil
	}
	return e
}

func (f Fault) validateCommand(refuseIf func(bool, string)) {
	name := f.On.Command
	known := append(commandNames(), statusCommand)
	refuseIf(f.On.RPC != "" && f.On.RPC != telemetry, "commands are said on Telemetry alone")
	refuseIf(!slices.Contains(known, name), "no such command: use one of "+strings.Join(known, ", "))
	if f.Do.kind != 0 && slices.Contains(known, name) {
		can := f.Do.applies(true) && goesToClients(name) || f.Do.applies(false) && comesFromClients(name)
		refuseIf(!can, fmt.Sprintf("%q is not said in the direction in which it could be %s", name, f.Do))
	}
}

// Inject lets a fault happen from now on, until [Injected.Remove]. Of several that match a call each
// is asked, in the order of their injection, up to the first that ends the call. It fails with a
// [*FaultError] if the fault cannot be as described.
func (g *gate) Inject(f Fault) (*Injected, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	return g.faults.add(f), nil
}

// telemetry is the RPC that is a conversation.
const telemetry = "Telemetry"

// rpcs gives the methods of the protocol.
func rpcs() []string {
	var names []string
	for _, m := range v2.MessagingService_ServiceDesc.Methods {
		names = append(names, m.MethodName)
	}
	for _, s := range v2.MessagingService_ServiceDesc.Streams {
		names = append(names, s.StreamName)
	}
	return names
}

// errAnswered ends a stream whose request a fault has answered.
var errAnswered = errors.New("broker: answered by a fault")
