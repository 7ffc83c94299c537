package stage

import (
	"fmt"
	"time"
)

// Failure is a record that failed for good at a stage, as a dead-letter sink gets it.
type Failure struct {
	// Stage is the name of the stage that failed.
	Stage string
	// Err is the last error; Attempt is how often the stage was tried, from 1.
	Err     error
	Attempt int
	// Value is what the stage was given; nil if the record could not be decoded.
	Value any
	// Source is the value that was read from the source, and Info what the source knew of it.
	// For a joint record, such as a batch, they are those of its first member.
	Source any
	Info   Info
	// Sources are the values of all the members that were read for a joint record, in order; nil for any
	// other.
	Sources []any
}

// RetrySink is a sink of failures that sends some of them to a retry topic instead of the dead letters.
type RetrySink interface {
	Sink[Failure]
	// ComesAgain tells of a failure whether it comes again once it is written. It depends on nothing but the
	// failure. So the engine counts the two apart, and tells who remembers what is done, such as a Dedupe,
	// that the record was put off (see [Duty.PutOff]). The source by which it comes again has to count that as
	// another attempt (see [Info]). A sink that stands before a RetrySink has to be one.
	ComesAgain(f Failure) bool
	// Redelivery is how long it takes at most until a failure comes again, from when it was written.
	// Operators are told of it as of what sources declare (see [Upstream]).
	Redelivery() time.Duration
}

// RetryNamer is implemented by a [RetrySink] that tells the topic it sends to, as the source declares it that
// failures come back by ([SourceTraits.RetryTopic]). A pipeline with both is held to what they ask for when it
// is built.
type RetryNamer interface{ RetryTopic() string }

// FaultError is the error of a record that its source could not decode.
type FaultError struct {
	// Position is where the record stands in its source; Raw is what could not be decoded.
	Position string
	Raw      []byte
	// Err says why.
	Err error
}

// Error gives position and reason, without the raw bytes.
func (e *FaultError) Error() string {
	if e.Position == "" {
		return fmt.Sprintf("stage: record cannot be decoded: %v", e.Err)
	}
	return fmt.Sprintf("stage: record at %s cannot be decoded: %v", e.Position, e.Err)
}

// Unwrap gives the reason.
func (e *FaultError) Unwrap() error { return e.Err }

// PanicError is a panic in a function of the user, as an error of the stage it happened in.
type PanicError struct {
	// Value is what was passed to panic; Stack is the goroutine's stack then.
	Value any
	Stack []byte
}

// Error gives the panic's value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("stage: panic: %v", e.Value) }

// Unwrap gives the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
