package stage

import (
	"context"
	"log/slog"
	"time"
)

// Operator describes how records of type I become records of type O. It is a value that can be
// used in any number of pipelines, and started in several runs.
type Operator[I, O any] interface {
	// Describe gives what the engine and Explain need to know before Start.
	Describe() Description
	// Start makes the running operator. What it emits goes to next.
	Start(rt Runtime, next Emitter[O]) (Processor[I], error)
}

// Processor is a running operator.
type Processor[I any] interface {
	// Process takes over the record's duty and moves, joins or settles it (rules 2 to 4). An
	// error says that the record failed here; its duty is then untouched, nothing was emitted for
	// it, and the engine applies the stage's error policy, by which Process may be called again
	// with the same record (rule 9). One call runs at a time.
	Process(ctx context.Context, r Record[I]) error
	// Drain emits what is held. When ctx ends, what cannot be emitted is handed back. Records may
	// follow it, and then another Drain: those of a source that redelivers, and, for an asynchronous
	// operator, those that the engine tries again.
	//
	// A synchronous operator keeps nothing beyond Drain: what it keeps is handed back, and the run
	// ends with an error that tells of it as dropped (flow.DroppedError). An asynchronous one may return from Drain before
	// its records are complete, if they become so without another call: the engine waits for them.
	Drain(ctx context.Context) error
}

// Emitter takes an operator's output to the next stage. Failures there are the next stage's and
// do not come back (rule 9).
type Emitter[O any] interface {
	Emit(ctx context.Context, r Record[O])
	// EmitAll emits records in order, at a lower cost for each. The slice may be used again when
	// it has returned.
	EmitAll(ctx context.Context, rs []Record[O])
}

// Chunker is implemented by processors that can work on many records in one call, which costs a
// fraction of as many calls of Process. It is for synchronous operators. The two must agree: the engine
// calls Process instead wherever records have to be dealt with one by one, as when they are tried again
// or have a key. An operator that holds records or emits several for one emits as in Process, and leaves
// Out and Dropped empty.
type Chunker[I, O any] interface {
	// ProcessChunk does for each record of c.In, from c.At on, what Process does, in order: it
	// sets c.At to the record's index, and appends to c.Out instead of emitting. An error is the
	// failure of the record at c.At; the engine deals with it, and calls again for those behind.
	// A panic is taken likewise.
	ProcessChunk(ctx context.Context, c *Chunk[I, O]) error
}

// Chunk is the records of one call of ProcessChunk.
type Chunk[I, O any] struct {
	In  []Record[I]
	At  int
	Out []Record[O]
	// Dropped gathers duties that are to be settled as done, such as a filter's.
	Dropped []Duty
}

// Keyer is implemented by processors that deal with values of one key one at a time. The engine then
// gives it a record only when it is done with the one before of that key: when what came of that has been
// emitted or settled, or the error policy has given it up. While one waits for another try, those of its
// key wait behind it, and no others (rule 9). Chunks are then of no use.
type Keyer[I any] interface {
	// KeyOf gives a number that is the same for values of one key, such as a hash: where those of two keys
	// agree, they wait for each other as one key does. A panic is a failure of the record.
	KeyOf(value I) uint64
}

// Unfinished is implemented by processors that give again what failed below, where no record stands for
// it any more. At the end of a run the engine calls Drain again as long as something is left to give.
type Unfinished interface{ Unfinished() bool }

// Description is what an operator declares about itself.
type Description struct {
	// Name is what the operator does, in a word: "map".
	Name string
	// Fallible says that Process can fail other than by a panic.
	Fallible bool
	// Unordered says that records may leave in another order than they came; PerKey, that those of one
	// key (see [Keyer]) do not.
	Unordered bool
	PerKey    bool
	// Holds says that the operator keeps duties from one call to the next, for at most HoldsFor;
	// 0 if there is no bound in time, and at most HoldsMost of them; 0 if there is no bound in
	// number.
	Holds     bool
	HoldsFor  time.Duration
	HoldsMost int
	// HoldsLeft says that the bound in time is what the leases of the sources leave, as
	// [Upstream.HoldFor] tells; HoldsFor is 0 then.
	HoldsLeft bool
	// HoldsAhead says that the operator holds what of one input is ahead of another: HoldsMost is 0, and the
	// bound is what the sources may have in the pipeline, which is not widened for it.
	HoldsAhead bool
	// Recognizes says that the operator knows a record that comes again by its Info.ID, and so cannot
	// follow one that makes joint records (see [Join]) of a source that redelivers.
	Recognizes bool
	// Positional says that the operator goes by the position of records in its input, which has none for
	// those that come again: a source that redelivers may not be above it.
	Positional bool
	// Async says that the operator works on goroutines of its own (see [Runtime.Go]), calls
	// [Complete] once for each record it took, and emits only within [Runtime.Do] or
	// [Runtime.After]. Process runs under the lock of the stages above, and the functions of Do and
	// After under that of the stages below; so they may run at the same time, and the operator guards
	// what they share. Drain runs under neither.
	Async bool
	// Answers says that records are done when the operator's state has them (rule 6), and that what it
	// emits has duties of its own: what fails below it gives again by itself (see [Unfinished]), under the
	// same Info.ID. Of the stages below their source knows nothing.
	Answers bool
	// Ends says that the operator ends the run by itself (see [Runtime.End]), and hands back what comes to it
	// from then on.
	Ends bool
	// DropsDone says that the operator drops values that it knows to be done.
	DropsDone bool
	// Parallel is how many records are worked on at once; 0 means 1.
	Parallel int
	// Settles tells, for Explain, when a record is settled, as in "with its batch"; empty stands for "with
	// what comes of it".
	Settles string
	// Problem is why the operator cannot be used, such as an argument out of range; the pipeline
	// then does not validate.
	Problem error
}

// Runtime is the engine as an operator sees it.
type Runtime interface {
	// Logger logs with the stage's name.
	Logger() *slog.Logger
	// Now gives the time by the engine's clock, which is that of package time.
	Now() time.Time
	// After runs f once, d from now, where f may emit, as within Do; for a synchronous operator
	// never at the same time as Process. It returns a function which stops that and reports whether
	// it did. Where the run ends hard f may never be called: what is held is drained then.
	After(d time.Duration, f func(ctx context.Context)) (stop func() bool)
	// Do runs f where an asynchronous operator may emit, and returns when f has. Calls follow one
	// another, and those of After. They do not nest: within f, and wherever else the operator may
	// emit already, which is in After and in Process and Drain of a synchronous operator, Do would
	// wait for itself for ever; emit there without it. Process of an asynchronous one may call Do.
	Do(f func(ctx context.Context))
	// Go runs f on a goroutine that the run waits for. Its context ends when the run must.
	Go(f func(ctx context.Context))
	// End ends the run as the end of its context does: reading stops, and what is in flight is
	// finished. It may be called from anywhere, also more than once, and returns at once.
	End()
	// Keyed says that the records come from a keyed source. The engine then gives an operator no
	// record whose key is still being worked on.
	Keyed() bool
	// Upstream tells what the operator has to know about the stages above it. It is the same for the
	// whole run.
	Upstream() Upstream
	// Barrier notes which records wait in a stage above, or in this one, for another try, or behind one of
	// their key that does, and returns what tells whether all of those have come through to this stage, over
	// edges too, or left it or on another way; nil if none waits. So an operator that goes by time can put
	// off a step until what may be late by a retry is here. It does not count what an asynchronous operator has in work for
	// the first time.
	Barrier() (passed func() bool)
	// Ended tells, within Drain, whether that is for the end of the input: each source above has no
	// more, or a stage above has ended the run (see End), so that what the operator holds is complete. It
	// is false if the run is ended while there may be more: by its context, a failure, or a stage that
	// is not above.
	Ended() bool
	// Count adds to a counter of the stage, which Snapshot shows under this name.
	Count(name string, n int64)
}

// Upstream is what an operator has to know about the stages above it.
type Upstream struct {
	// Redelivers says that a source above redelivers, and Redelivery is the longest that one declares, or
	// that a [RetrySink] of the pipeline does.
	Redelivers bool
	Redelivery time.Duration
	// Partition is the one that all records are of (see [Info.Partition]); empty if there are several.
	Partition string
	// HoldFor is how long the operator may hold a record: its HoldsFor, or what the leases leave, shared
	// with others that hold for what is left; 0 if there is no bound.
	HoldFor time.Duration
}

// Disturber is what the Runtime of a test may implement besides: see [Disturbance].
type Disturber interface {
	Disturbance() func(ctx context.Context, value any, info Info) error
}

// Disturbance gives what an asynchronous operator calls with each record right before it works on it,
// on the goroutine that does: an error of it is that of the work. So tests let a stage fail or take
// its time. It is nil outside of tests. The engine sees to it for an operator that does not ask, but
// before Process, where what takes its time holds up the stages above.
func Disturbance(rt Runtime) func(ctx context.Context, value any, info Info) error {
	if d, ok := rt.(Disturber); ok {
		return d.Disturbance()
	}
	return nil
}

// Stepper is what the Runtime of a test may implement besides: see [Steps].
type Stepper interface {
	Steps(f func(ctx context.Context, to time.Time))
}

// Steps lets tests move an operator's watermark to a time, whatever its records say: an operator that
// goes by event time gives the function that does, when it starts. It is called where the operator may
// emit. Outside of tests it does nothing.
func Steps(rt Runtime, f func(ctx context.Context, to time.Time)) {
	if s, ok := rt.(Stepper); ok {
		s.Steps(f)
	}
}

// Follower is what a Runtime may implement besides: see [Followed].
type Follower interface{ Followed() bool }

// Followed tells whether a test may follow the records of the run from stage to stage, and ask about
// those that are settled. It is true of a Runtime that does not tell.
func Followed(rt Runtime) bool {
	f, ok := rt.(Follower)
	return !ok || f.Followed()
}

// Completer is what the Runtime of a stage that takes records of type I implements besides.
type Completer[I any] interface {
	Complete(ctx context.Context, r Record[I], err error)
}

// Complete is how an asynchronous operator returns from a record that Process took: err is nil
// when what came of the record has been emitted or settled, and else the record's failure, by the
// same terms as an error of Process. It is called once for each record, with the duty that Process
// was given, from anywhere: within Process, which then returns nil, within Do or After, or outside
// of all, but in this order: what is emitted for a record is emitted first. A record for which
// Process returns an error was not taken, and is not completed. It panics if rt is not the Runtime
// of a stage that takes I.
func Complete[I any](ctx context.Context, rt Runtime, r Record[I], err error) {
	rt.(Completer[I]).Complete(ctx, r, err)
}

// Resumer is what the Runtime of a stage that takes records of type I implements besides.
type Resumer[I any] interface {
	Resume(r Record[I]) Record[I]
}

// Resume takes back a record that an asynchronous operator completes, with the duty that Process was
// given, when there is work left: such as to note that all that came of it is safe (see
// [Duty.StandIn]). It gives the record to work on, which is to be completed as well. Until then the
// engine waits for it as for one that Process took, and a failure goes by the stage's policy, by which
// Process may be called with the record again. It is called while the record's duty is not settled,
// and panics if rt is not the Runtime of a stage that takes I.
func Resume[I any](rt Runtime, r Record[I]) Record[I] { return rt.(Resumer[I]).Resume(r) }
