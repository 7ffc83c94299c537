package flowtest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("test failure")

// fakeTB is a test that is made to fail. It is used within a bubble, so that Run needs no *testing.T.
type fakeTB struct {
	testing.TB
	errors []string
	logs   []string
	fatal  bool
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.fatal = true
	runtime.Goexit()
}

// said gives all that the test has shown.
func (f *fakeTB) said() string { return strings.Join(append(f.errors, f.logs...), "\n") }

// fatally runs f, which ends the fake test, on a goroutine of its own.
func (f *fakeTB) fatally(run func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	<-done
}

func parse(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }

func same(v int) int { return v }

// badOperator does as its function says.
type badOperator struct {
	process func(ctx context.Context, r stage.Record[int], next stage.Emitter[int])
	next    stage.Emitter[int]
}

func (o badOperator) Describe() stage.Description { return stage.Description{Name: "bad"} }

func (o badOperator) Start(_ stage.Runtime, next stage.Emitter[int]) (stage.Processor[int], error) {
	o.next = next
	return o, nil
}

func (o badOperator) Process(ctx context.Context, r stage.Record[int]) error {
	o.process(ctx, r, o.next)
	return nil
}

func (o badOperator) Drain(context.Context) error { return nil }

// dropping emits what is not v, and forgets what is.
func dropping(v int) stage.Operator[int, int] {
	return badOperator{process: func(ctx context.Context, r stage.Record[int], next stage.Emitter[int]) {
		if r.Value != v {
			next.Emit(ctx, r)
		}
	}}
}
