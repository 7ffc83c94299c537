package operators

import (
	"context"
	"fmt"
)

// stateless is the Drain of processors that hold nothing.
type stateless struct{}

func (stateless) Drain(context.Context) error { return nil }

// missing is the problem of an operator whose function is nil.
func missing(isNil bool, name string) error {
	if !isNil {
		return nil
	}
	return fmt.Errorf("operators: %s: function is nil: give it one; Timeout, CircuitBreaker and Hedge give none if an argument is out of range", name)
}
