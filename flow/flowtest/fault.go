package flowtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// ErrInjected is what [Fail] fails with if it is given no error.
var ErrInjected = errors.New("flowtest: injected failure")

// Fault is a failure to be injected into a stage, made by [Fail], [Panic] or [Delay]: an option of
// [Run]. Without more it meets each try of each value. Its methods narrow that down, and can be
// combined; each gives a new Fault.
//
// A try that several faults of a stage meet is delayed by each Delay, up to the first that is a
// failure. So Delay and then Fail is a call that fails after a while.
//
// The stage of a source is met at each read, without a value: it fails, is tried again, or is late.
// That of a sink is met value by value; a panic there is one of the whole write.
type Fault struct {
	stage string
	said  string // what it does, for reports
	do    func(ctx context.Context) error

	matches  []func(v any) (bool, error)
	times    int // 0: no bound
	nth      int // 0: each
	ofRecord int // 0: no bound
}

// Fail lets a stage fail with an error; [ErrInjected] if it is nil. It goes by the stage's error policy.
func Fail(stage string, err error) Fault {
	if err == nil {
		err = ErrInjected
	}
	return Fault{
		stage: stage, said: fmt.Sprintf("Fail(%q, %v)", stage, err),
		do: func(context.Context) error { return err },
	}
}

// Panic lets a stage panic.
func Panic(stage string, value any) Fault {
	return Fault{
		stage: stage, said: fmt.Sprintf("Panic(%q, %v)", stage, value),
		do: func(context.Context) error { panic(value) },
	}
}

// Delay lets a stage take d longer, or until the run must end.
func Delay(stage string, d time.Duration) Fault {
	return Fault{
		stage: stage, said: fmt.Sprintf("Delay(%q, %v)", stage, d),
		do: func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// On narrows the fault down to values that equal one of these, by reflect.DeepEqual.
func (f Fault) On(values ...any) Fault {
	return f.matching(func(v any) (bool, error) {
		return slices.ContainsFunc(values, func(w any) bool { return reflect.DeepEqual(v, w) }), nil
	})
}

// When narrows the fault down to values that is gives true for. V is the type that the stage takes.
func (f Fault) When[V any](is func(V) bool) Fault {
	return f.matching(func(v any) (bool, error) {
		typed, ok := v.(V)
		if !ok && v != nil {
			return false, fmt.Errorf("When has a function of %v, but the stage takes %T", reflect.TypeFor[V](), v)
		}
		return ok && is(typed), nil
	})
}

func (f Fault) matching(match func(v any) (bool, error)) Fault {
	f.matches = append(f.matches[:len(f.matches):len(f.matches)], match)
	return f
}

// Times bounds how often the fault happens: to the first n tries that it meets.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// Nth lets the fault happen once, to the nth try that it meets, from 1.
func (f Fault) Nth(n int) Fault {
	f.nth = n
	return f
}

// Tries lets the fault happen to the first n tries of each record, retries and redeliveries together:
// records of a source are told apart by their ids.
func (f Fault) Tries(n int) Fault {
	f.ofRecord = n
	return f
}

func (f Fault) apply(c *config) { c.faults = append(c.faults, f) }

// String tells what the fault does.
func (f Fault) String() string { return f.said }

// armed is a fault in a run.
type armed struct {
	Fault

	mu       sync.Mutex // guards what follows
	met      int
	happened int
	tries    map[string]int // by record
	mismatch error
}

// disturb gives what the faults do to a stage.
func (s *session) disturb(name string) flow.Disturbance {
	var of []*armed
	for _, f := range s.faults {
		if f.stage == name {
			of = append(of, f)
		}
	}
	if len(of) == 0 {
		return nil
	}
	return func(ctx context.Context, value any, info stage.Info) error {
		for _, f := range of {
			if f.meets(value, info) {
				if err := f.do(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// meets tells whether the fault is to happen to a try.
func (f *armed) meets(value any, info stage.Info) bool {
	for _, match := range f.matches {
		ok, err := match(value)
		if err != nil {
			f.mu.Lock()
			f.mismatch = err
			f.mu.Unlock()
		}
		if !ok {
			return false
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ofRecord > 0 {
		if f.tries == nil {
			f.tries = make(map[string]int)
		}
		if f.tries[info.ID]++; f.tries[info.ID] > f.ofRecord {
			return false
		}
	}
	f.met++
	if f.nth > 0 && f.met != f.nth || f.times > 0 && f.met > f.times {
		return false
	}
	f.happened++
	return true
}

// judgeFaults reports faults that cannot be meant as they are.
func (s *session) judgeFaults() {
	var names []string
	for _, st := range s.result.Snapshot.Stages {
		names = append(names, st.Name)
	}
	for _, f := range s.faults {
		switch {
		case len(names) == 0: // the pipeline did not validate, which is the result's error
		case !slices.Contains(names, f.stage):
			s.problem("%v: there is no such stage: there are %s", f, quoted(names))
		case f.mismatch != nil:
			s.problem("%v: %v", f, f.mismatch)
		case f.happened == 0:
			s.problem("%v never happened: no try at the stage was such a one", f)
		}
	}
}
