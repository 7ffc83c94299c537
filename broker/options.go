package broker

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// Options says what a broker is like. The zero value is a broker on a free port of the loopback
// interface, without topics and groups, with the server's own limits.
type Options struct {
	// Addr is where to listen: "127.0.0.1:0", a free port, if empty. Plaintext and TLS connections
	// are both taken there. Addr must be empty with InMemory.
	Addr string

	// Advertise is what routes name as the endpoint, "host:port": for a broker that clients reach by
	// another address than it listens on, as in a container. If empty, it is the address of Addr, on
	// the loopback interface if that is all interfaces.
	Advertise string

	// InMemory lets the broker listen nowhere: it is reached only by [Broker.Dialer]. Such a
	// broker uses no network and no clock but that of package time, so it runs inside a bubble of
	// testing/synctest.
	InMemory bool

	// Topics and Groups exist from the start.
	Topics []Topic
	Groups []Group

	// AutoCreate lets topics (8 queues, type [Any]) and groups come into being when a request first
	// names them, so that a program runs unchanged which was written for a server where somebody
	// makes them. Without it a request that names an unknown one is refused, as the server does
	// over gRPC. Topics of type Lite are never made so.
	AutoCreate bool

	// FIFOGroups are the groups that AutoCreate makes ordered: their names, or patterns of
	// path.Match, such as "*-fifo". Others are not ordered.
	FIFOGroups []string

	// ACL lets the broker serve its users alone. If nil, everybody may do everything.
	ACL *ACL

	// Recall lets producers take back delayed messages before their time. Without it a recall is
	// refused, which is the server's default too (recallMessageEnable).
	Recall bool

	// Quirks are the server's defects that the broker is to have: none, or such as LocalQuirks() for
	// all of a server in LOCAL mode. [Start] fails if there is no such quirk.
	Quirks []Quirk

	// Pull lets consumers read queues by offset: PullMessage, UpdateOffset, GetOffset and
	// QueryOffset. The protocol has these requests, but the server answers none of them, and
	// without this option nor does the broker. What has still to be pulled is not safe from Retain.
	Pull bool

	// Retain bounds what is kept, in messages of a queue: beyond it the oldest are dropped, some
	// hundred at a time. Never dropped are dead letters, and what a group that reads the topic, or
	// redelivers it, has still to receive. If 0, all is kept, and memory grows with what is sent.
	Retain int

	// Dir is where what the broker holds is kept, so that another broker has it that is started there,
	// after this one was closed or killed: topics with the messages that Retain lets stay in them,
	// messages that wait for their time or for the end of their transaction, and groups with how far
	// they have come and what is in flight: receipt handles, recall handles and transaction ids go on
	// being valid, and time runs on. Lite topics are kept likewise; which of them a client has subscribed
	// to it has to say again, as after any other break of its telemetry stream. The directory is made if
	// there is none, and is one broker's at a time. In a cluster each broker has a directory in it that is
	// called as the broker is, and has it again when one of that name is started or added. If "", all is in
	// memory alone.
	//
	// What is in Topics and Groups and was found too is from then on as described here; Start fails
	// with a [*ConfigError] if the queues would be others.
	Dir string

	// SyncEvery relaxes what Dir promises. If 0, no answer leaves before the disk has what it promises.
	// If positive, the operating system has it by then, which outlives the end of the process, but
	// perhaps not that of the machine; and the disk this much later.
	SyncEvery time.Duration

	// TLSConfig is for the connections that begin with a TLS handshake. If nil, a certificate for
	// localhost, signed by itself, is made when the first one does.
	TLSConfig *tls.Config

	// TLSOnly refuses connections in plaintext.
	TLSOnly bool

	// Logger is told of what an operator of the server would want to know. If nil, nobody is.
	Logger *slog.Logger

	// CallLog is how many calls [Broker.Calls] remembers, telemetry commands included: the latest. If
	// 0, they are [DefaultCallLog]; if negative, none. A call takes some hundred bytes, and up to 2 KB
	// with the ids of 32 messages.
	CallLog int

	// Limits may be shortened in tests.
	Limits Limits

	journal journal.Options // where Dir is, and how long its files get; SyncEvery goes before the one here
}

// Limits are times and counts that a test may want smaller. Each stands for the server's default
// if 0.
type Limits struct {
	MinInvisible    time.Duration // the least invisible duration of a receive: 10 s
	MinPolling      time.Duration // the least time of a long poll, and of the deadline it needs: 5 s
	MaxPolling      time.Duration // the longest time of a long poll: 20 s
	RedeliveryDelay time.Duration // from the end of an invisible duration to the redelivery, unless the group is ordered: 2 s
	ClientExpiry    time.Duration // without a heartbeat for this long a client is forgotten: 120 s

	// TransactionCheckInterval is from one round of checks to the next: 30 s. A round asks about
	// each message that is older than TransactionTimeout, 6 s, or than the time for the recovery
	// that its producer has named.
	TransactionCheckInterval time.Duration
	TransactionTimeout       time.Duration
	TransactionMaxChecks     int           // the checks of one message: 15
	TransactionExpiry        time.Duration // for how long after its sending, and after each check, a transaction can be ended: 30 s
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MinInvisible, 10*time.Second)
	setDefault(&l.MinPolling, 5*time.Second)
	setDefault(&l.MaxPolling, 20*time.Second)
	setDefault(&l.RedeliveryDelay, 2*time.Second)
	setDefault(&l.ClientExpiry, 120*time.Second)
	setDefault(&l.TransactionCheckInterval, 30*time.Second)
	setDefault(&l.TransactionTimeout, 6*time.Second)
	setDefault(&l.TransactionMaxChecks, 15)
	setDefault(&l.TransactionExpiry, 30*time.Second)
	return l
}

func setDefault[T time.Duration | int](limit *T, value T) {
	if *limit <= 0 {
		*limit = value
	}
}
