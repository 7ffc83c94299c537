package sim

// Kind is a kind of fault.
type Kind int

// The kinds of fault. What one concerns is in its name: requests and answers of single calls, streams,
// the network of a process, the broker, processes, functions, sinks.
const (
	RequestLost Kind = iota
	RequestSlow
	RequestLate // it reaches the broker after its sender has given up
	RequestTwice
	AnswerLost
	AnswerSlow
	RefusedUnavailable // by gRPC, before anything was done
	FailedAfter        // by gRPC, after it was done
	Throttled          // by the protocol's code
	InternalError      // likewise
	PollLost           // messages were received and do not arrive
	PollCut            // some of them do
	BodyDamaged
	TelemetryCut
	ConnectionsCut
	Partition
	BrokerFrozen
	BrokerFrozenLong // longer than any request waits
	BrokerRestarted
	BrokerKilled  // what was not synced is on the disk, since the system runs on
	BrokerCrashed // what was not synced may be lost, or torn
	ProcessCrashed
	ProcessDrained // and started again
	DrainTimedOut
	DrainCut
	ProcessJoined
	LeaseExpired
	FunctionFailed
	FunctionFailedForGood
	FunctionPanicked
	FunctionSlow
	WriteFailed
	WriteUnclear // a part was written, and the error names none
	WriteFailedInPart
	WriteFailedForGood
	WritePanicked
	WriteSlow
	SinkNotOpened
	BurialFailed
	InputTwice      // stored twice, since its producer learnt nothing of the first time
	StoreFailed     // nothing was read or written
	StoreAnswerLost // it was, and the process does not learn so
	StoreSlow
	RetryStored // in the retry topic, of what failed
	Kinds       // how many there are
)

var kindNames = [Kinds]string{
	RequestLost: "request lost", RequestSlow: "request slow", RequestLate: "request late", RequestTwice: "request twice",
	AnswerLost: "answer lost", AnswerSlow: "answer slow", RefusedUnavailable: "refused as unavailable",
	FailedAfter: "failed after it was done", Throttled: "throttled", InternalError: "internal error",
	PollLost: "poll lost", PollCut: "poll cut", BodyDamaged: "body damaged", TelemetryCut: "telemetry cut",
	ConnectionsCut: "connections cut", Partition: "partition", BrokerFrozen: "broker frozen",
	BrokerFrozenLong: "broker frozen for long", BrokerRestarted: "broker restarted", BrokerKilled: "broker killed",
	BrokerCrashed: "broker crashed", ProcessCrashed: "process crashed", ProcessDrained: "process drained",
	DrainTimedOut: "drain timed out", DrainCut: "drain cut", ProcessJoined: "process joined",
	LeaseExpired: "lease expired", FunctionFailed: "function failed", FunctionFailedForGood: "function failed for good",
	FunctionPanicked: "function panicked", FunctionSlow: "function slow", WriteFailed: "write failed",
	WriteUnclear: "write unclear", WriteFailedInPart: "write failed in part", WriteFailedForGood: "write failed for good",
	WritePanicked: "write panicked", WriteSlow: "write slow", SinkNotOpened: "sink not opened",
	BurialFailed: "burial failed", StoreFailed: "store failed", StoreAnswerLost: "store's answer lost",
	StoreSlow: "store slow", RetryStored: "retry stored", InputTwice: "input twice",
}

// none is no fault.
const none Kind = -1

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// Counts is how often each kind of fault has occurred.
type Counts [Kinds]int

// Add adds the counts of another world.
func (c *Counts) Add(other *Counts) {
	for k, n := range other {
		c[k] += n
	}
}
