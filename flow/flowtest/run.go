package flowtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
)

// Result is what came of a run.
type Result struct {
	// Err is what the pipeline's Run returned.
	Err error
	// Took is how long the run took, in virtual time.
	Took time.Duration
	// Snapshot is what the stages have counted.
	Snapshot flow.Snapshot

	inputs []reporter
}

// String tells what became of each record of each [Input].
func (r *Result) String() string { return describeInputs(r.inputs) }

// Run runs the pipeline until it ends by itself, or an option says so, and waits for it. What it
// reports as a mistake (see the package's comment) fails the test, which goes on. What the pipeline's
// Run returned does not: it is the Result's Err.
//
// Outside of a bubble of testing/synctest tb must be a *testing.T.
func Run(tb testing.TB, p *flow.Pipeline, opts ...Option) *Result {
	tb.Helper()
	s := newSession(p, opts)
	if bubbleOf() != "" {
		s.run(tb)
	} else {
		t, ok := tb.(*testing.T)
		if !ok {
			tb.Fatalf("flowtest: %T has no bubble of its own: call Run with a *testing.T, or within synctest.Test", tb)
		}
		s.runInBubble(t)
	}
	for _, problem := range s.problems {
		tb.Errorf("flowtest: %s", problem)
	}
	if len(s.problems) > 0 {
		tb.Logf("flowtest: what became of the inputs:\n%s", s.result)
	}
	return s.result
}

// runInBubble runs the pipeline in a bubble of its own.
func (s *session) runInBubble(t *testing.T) {
	t.Helper()
	var bubble atomic.Value
	bubble.Store("")
	defer watchClock(func() string { return bubble.Load().(string) })()
	synctest.Test(t, func(t *testing.T) {
		bubble.Store(bubbleOf())
		before := numbers()
		s.run(t)
		findLeaks(t, before)
	})
}

// session is one call of Run.
type session struct {
	config
	pipeline *flow.Pipeline
	probe    *flow.Probe
	faults   []*armed
	result   *Result
	problems []string

	mu sync.Mutex // guards the result's inputs
}

// reporter is an input without its type.
type reporter interface {
	report() []line
}

type sessionKey struct{}

// sessionOf gives the session that a source is opened in; nil if it is in none.
func sessionOf(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey{}).(*session)
	return s
}

func newSession(p *flow.Pipeline, opts []Option) *session {
	s := &session{config: config{limit: DefaultLimit}, pipeline: p, result: &Result{}}
	for _, o := range opts {
		o.apply(&s.config)
	}
	for _, f := range s.config.faults {
		s.faults = append(s.faults, &armed{Fault: f})
	}
	s.probe = &flow.Probe{Disturb: s.disturb}
	return s
}

func (s *session) join(in reporter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.inputs = append(s.result.inputs, in)
}

func (s *session) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// run runs the pipeline; the caller is in a bubble.
func (s *session) run(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), sessionKey{}, s))
	defer cancel()
	began := time.Now()
	ran := make(chan error, 1)
	go func() { ran <- s.pipeline.Run(ctx, append(s.flow, flow.WithProbe(s.probe))...) }()
	ended := s.await(cancel, ran)
	s.result.Took, s.result.Snapshot = time.Since(began), s.pipeline.Snapshot()
	if !ended {
		// A bubble that ends with goroutines in it panics, and what is said outside is not seen then.
		tb.Errorf("flowtest: %s\n%s", strings.Join(s.problems, "\n"), s.result)
		s.problems = nil
		return
	}
	s.judge()
}

// await waits for the run, and ends it when it is time; false if it does not end for all that.
func (s *session) await(cancel func(), ran <-chan error) (ended bool) {
	limit := time.After(s.limit)
	var stop <-chan time.Time
	if s.stopAfter > 0 {
		stop = time.After(s.stopAfter)
	}
	var poll <-chan time.Time
	if s.stopWhen != nil {
		ticker := time.NewTicker(pollEvery)
		defer ticker.Stop()
		poll = ticker.C
	}
	began := time.Now()
	for overdue := false; ; {
		select {
		case s.result.Err = <-ran:
			for _, m := range s.marks {
				s.problem("Watermark(%v, %v) never happened: the run took %v", m.after, m.to, time.Since(began))
			}
			return true
		case <-s.nextMark(began):
			synctest.Wait()
			if s.probe.Watermark(s.marks[0].to) == 0 {
				s.problem("Watermark(%v, %v): no stage goes by event time", s.marks[0].after, s.marks[0].to)
			}
			s.marks = s.marks[1:]
		case <-stop:
			cancel()
		case <-poll:
			if synctest.Wait(); s.stopWhen() {
				cancel()
				poll = nil
			}
		case <-limit:
			if overdue {
				s.problem("the run did not end within another %v of the end of its context: a function of it, or a source or sink, does not heed its own", s.limit)
				return false
			}
			overdue = true
			s.problem("the run did not end within %v: %s", s.limit, describeHeld(s.probe.Held()))
			cancel()
			limit = time.After(s.limit)
		}
	}
}

// nextMark waits for the time of the next step of the watermark; for ever if there is none.
func (s *session) nextMark(began time.Time) <-chan time.Time {
	if len(s.marks) == 0 {
		return nil
	}
	return time.After(time.Until(began.Add(s.marks[0].after)))
}

// judge finds what is a mistake in any test.
func (s *session) judge() {
	for _, err := range unjoin(s.result.Err) {
		if dropped, ok := errors.AsType[*flow.DroppedError](err); ok {
			s.problem("stage %s lost the settlement of %s of source %q: each record that a stage takes has to be emitted, joined or settled",
				quoted(dropped.Stages), records(dropped.Count), dropped.Source)
		}
	}
	for _, h := range s.probe.SettledTwice() {
		s.problem("stage %q settled %s of source %q twice: where a record was forked, that settles it before its other pieces are done", h.Stage, nameOf(h.Info), h.Source)
	}
	for _, in := range s.result.inputs {
		for _, l := range in.report() {
			if l.state == Held {
				s.problem("%s was read and has no outcome", l.name)
			}
		}
	}
	s.judgeFaults()
}

// unjoin gives the errors that were joined in one.
func unjoin(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, unjoin(e)...)
	}
	return all
}
