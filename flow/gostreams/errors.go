package gostreams

import (
	"errors"
	"fmt"
)

// ErrSettled says that a delivery was settled before, or that its duty went on with another.
var ErrSettled = errors.New("gostreams: delivery: settled already, or its duty was passed on")

// ErrEnded is why a value was not taken: what it was for has ended.
var ErrEnded = errors.New("gostreams: the stage has ended: see its Err")

// ErrLost is the failure of a record that went into a flow of go-streams and did not come out again,
// neither by the end of its lease nor by the end of the flow. Counted as "lost".
var ErrLost = errors.New("gostreams: record: did not come out of the flow: lift its functions, or do not drop deliveries")

// ErrSurplus says that a flow under [OneToOne] gave more values than it took. Values may have been
// acknowledged in place of others, so the run ends.
var ErrSurplus = errors.New("gostreams: flow under OneToOne gave more values than it took: use Enveloped")

// TypeError is a value of another type than a stage takes.
type TypeError struct {
	// Want and Got are the types' names; Got is "nil" for a nil value.
	Want, Got string
}

// Error names both types.
func (e *TypeError) Error() string {
	return fmt.Sprintf("gostreams: value of type %s: the stage takes %s: convert it before", e.Got, e.Want)
}

// wrongType is the error of a value that is not a T.
func wrongType[T any](value any) error {
	got := "nil"
	if value != nil {
		got = fmt.Sprintf("%T", value)
	}
	return &TypeError{Want: typeName[T](), Got: got}
}

// FailedError tells that values which were no deliveries, and so cannot come again, failed for good.
type FailedError struct {
	// Count is how many failed; First is the first failure.
	Count int
	First error
}

// Error gives the count and the first failure.
func (e *FailedError) Error() string {
	return fmt.Sprintf("gostreams: %d values failed and cannot come again; the first: %v: set a policy, or send deliveries", e.Count, e.First)
}

// Unwrap gives the first failure.
func (e *FailedError) Unwrap() error { return e.First }
