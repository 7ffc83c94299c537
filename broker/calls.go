package broker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
)

const (
	// DefaultCallLog is how many calls a broker remembers, unless [Options].CallLog says otherwise.
	DefaultCallLog = 4096

	// maxCallIDs bounds the message ids that are kept of one call. No receive has more.
	maxCallIDs = 32
)

// A Call is what the broker remembers of one RPC, or of one command on a telemetry stream.
type Call struct {
	At      time.Time     // when the broker had the request, or said the command
	Took    time.Duration // until it was answered; until now, if it is Pending; 0 for a command
	Pending bool          // it is not answered yet

	RPC      string // the method, as "SendMessage"
	Command  string // of a command: the protocol's name for it, as "settings"; else ""
	ToClient bool   // of a command: the broker has said it

	Client       string // the client's id
	Topic, Group string // "" where a request names none, or several
	Endpoint     string // where it arrived in a [Cluster]; elsewhere ""

	Messages   int      // in the request, or in the answer to a receive
	MessageIDs []string // of the first 32 of them

	Code    int32      // the protocol's, 20000 for OK; 0 if there was none
	GRPC    codes.Code // of the call itself
	Message string     // what was said with the code, unless that is OK
	Fault   string     // what injected faults do to it, "" for nothing
}

// String gives the call in one line.
func (c Call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.At.Format("15:04:05.000"), c.RPC)
	if c.Command != "" {
		arrow := "<-"
		if c.ToClient {
			arrow = "->"
		}
		fmt.Fprintf(&b, " %s %s", arrow, c.Command)
	}
	for _, about := range [][2]string{{"at", c.Endpoint}, {"client", c.Client}, {"topic", c.Topic}, {"group", c.Group}} {
		if about[1] != "" {
			fmt.Fprintf(&b, " %s=%s", about[0], about[1])
		}
	}
	if c.Messages > 0 {
		fmt.Fprintf(&b, " messages=%d %v", c.Messages, c.MessageIDs)
	}
	c.writeOutcome(&b)
	return b.String()
}

func (c Call) writeOutcome(b *strings.Builder) {
	switch {
	case c.Pending:
		fmt.Fprintf(b, ": no answer for %v", c.Took)
	case c.GRPC != codes.OK:
		fmt.Fprintf(b, ": gRPC %v %q in %v", c.GRPC, c.Message, c.Took)
	case c.Code != 0:
		fmt.Fprintf(b, ": %v", v2.Code(c.Code))
		if c.Message != "" {
			fmt.Fprintf(b, " %q", c.Message)
		}
		if c.Command == "" {
			fmt.Fprintf(b, " in %v", c.Took)
		}
	case c.Command == "":
		fmt.Fprintf(b, ": ended in %v", c.Took)
	}
	if c.Fault != "" {
		fmt.Fprintf(b, " (fault: %s)", c.Fault)
	}
}

// fits tells whether a call is one of those that are meant.
func (m *Match) fits(c *Call) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(m.RPC, c.RPC) && same(m.Command, c.Command) && same(m.Topic, c.Topic) &&
		same(m.Group, c.Group) && same(m.Client, c.Client) && same(m.Endpoint, c.Endpoint)
}

// String names what is meant, "any call" for all.
func (m Match) String() string {
	var parts []string
	for _, about := range [][2]string{
		{"command", m.Command}, {"topic", m.Topic}, {"group", m.Group}, {"client", m.Client}, {"endpoint", m.Endpoint},
	} {
		if about[1] != "" {
			parts = append(parts, fmt.Sprintf("%s %q", about[0], about[1]))
		}
	}
	return strings.Join(append([]string{cmp.Or(m.RPC, "any call")}, parts...), ", ")
}

// Calls gives what the broker remembers of the RPCs and telemetry commands that fit one of the
// given matches, or of all if none is given, in the order in which they began. It remembers as many
// as [Options].CallLog says.
func (g *gate) Calls(matches ...Match) []Call {
	all := g.log.all()
	if len(matches) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(c Call) bool {
		return !slices.ContainsFunc(matches, func(m Match) bool { return m.fits(&c) })
	})
}

// A callLog is the latest calls.
type callLog struct {
	size uint64 // how many are kept; 0 for none

	mu    sync.Mutex // guards what follows
	calls []Call     // the nth of all is at n modulo size
	next  uint64     // how many there were
}

func newCallLog(opts Options) *callLog {
	return &callLog{size: uint64(max(0, cmp.Or(opts.CallLog, DefaultCallLog)))}
}

// begin writes down a call, and gives its number.
func (l *callLog) begin(c *Call) uint64 {
	if l.size == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.next
	l.next++
	if n < l.size {
		l.calls = append(l.calls, *c)
	} else {
		l.calls[n%l.size] = *c
	}
	return n
}

// end writes down what became of a call, unless it is forgotten by now.
func (l *callLog) end(n uint64, o *outcome) {
	if l.size == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n+l.size < l.next {
		return
	}
	o.write(&l.calls[n%l.size])
}

// all gives a copy of the log.
func (l *callLog) all() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	all := make([]Call, 0, len(l.calls))
	for n := l.next - uint64(len(l.calls)); n < l.next; n++ {
		c := l.calls[n%l.size]
		c.MessageIDs = slices.Clone(c.MessageIDs)
		if c.Pending {
			c.Took = now.Sub(c.At)
		}
		all = append(all, c)
	}
	return all
}
