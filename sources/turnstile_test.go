package sources

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/state"
)

// turnstile counts messages "name minute" of a topic, and of its retry topic, in windows of ten minutes.
type turnstile struct {
	*rig
	delay  time.Duration        // of the retry topic
	fails  func(m string) error // above the windows
	breaks int                  // so many results fail below
	beside func(m string) error // in a branch beside the windows; nil for none
	store  state.Store          // nil for windows that hold
	out    *flowtest.Output[flow.Window[string, int]]
	late   *flowtest.Output[string]
	cancel context.CancelFunc
	ended  chan error
	pipe   *flow.Pipeline
}

func (s *turnstile) open() {
	s.Helper()
	newRetrying(s.rig, nil)
	s.out, s.late = flowtest.NewOutput[flow.Window[string, int]](), flowtest.NewOutput[string]()
	retry := sinks.RetryTopic(s.client, "later", sinks.DeadLetterTopic(s.client, "dead"), s.delay)
	buried := flow.DeadLetter(retry)
	all := flow.Merge(
		flow.From(RocketMQ(s.client, "in", "G")),
		flow.From(RetryTopic(s.client, "later", "R")),
	).TryMap(func(_ context.Context, m *client.Message) (string, error) {
		return string(m.Body), s.fails(string(m.Body))
	}).Named("read").OnError(buried)
	var pipes []*flow.Pipeline
	if s.beside != nil {
		branches := all.Broadcast(2)
		all = branches[0]
		pipes = append(pipes, branches[1].TryMap(func(_ context.Context, m string) (string, error) {
			return m, s.beside(m)
		}).OnError(buried).To(flowtest.NewOutput[string]()))
	}
	w := all.
		KeyBy(func(string) string { return "all" }).
		Window(flow.Tumbling(10*time.Minute), flow.EventTime(minuteOf, 0).Idle(time.Minute))
	if s.store != nil {
		w = w.KeptIn(s.store, "w")
	}
	pipes = append(pipes, w.Late(func(late flow.Stream[string]) *flow.Pipeline { return late.To(s.late) }).
		Agg(func() int { return 0 }, func(n int, _ string) int { return n + 1 }).OnError(buried).
		TryMap(func(_ context.Context, w flow.Window[string, int]) (flow.Window[string, int], error) {
			if s.breaks--; s.breaks >= 0 {
				return w, errors.New("broken")
			}
			return w, nil
		}).OnError(buried).To(s.out))
	s.pipe = flow.Join(pipes...)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(s.Context())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.pipe.Run(ctx) }()
}

func (s *turnstile) close() {
	s.Helper()
	s.cancel()
	require.NoError(s, <-s.ended)
}

func minuteOf(m string) time.Time {
	_, text, _ := strings.Cut(m, " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return time.UnixMilli(0).Add(time.Duration(n) * time.Minute)
}

// tally is a result in short: the minute at which its window begins, its count, and its revision.
type tally struct{ start, count, revision int }

func (s *turnstile) tallies() (all []tally) {
	for _, w := range s.out.Values() {
		all = append(all, tally{int(w.Start.UnixMilli() / 60000), w.Value, w.Revision})
	}
	return all
}

func (s *turnstile) stage() flow.StageStats {
	s.Helper()
	st, ok := s.pipe.Snapshot().Stage("window")
	require.True(s, ok)
	return st
}

func never(string) error { return nil }

// once fails the first time that a message comes.
func once(message string) func(string) error {
	var mu sync.Mutex
	failed := false
	return func(m string) error {
		mu.Lock()
		defer mu.Unlock()
		if m != message || failed {
			return nil
		}
		failed = true
		return errors.New("broken")
	}
}

// cutOff is a store that, once it is cut off, makes one more commit of rows, and answers nothing.
type cutOff struct {
	state.Store
	mu    sync.Mutex
	dying bool
	off   bool
}

var errCutOff = errors.New("cut off")

func (s *cutOff) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dying = true
}

func (s *cutOff) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dying, s.off = false, false
}

func (s *cutOff) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return nil, errCutOff
	}
	return s.Store.Get(ctx, table, keys...)
}

func (s *cutOff) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return state.Any, errCutOff
	}
	for i := range c.Writes {
		if w := c.Writes[i]; s.dying && (w.Table == "w.rows" || w.Table == "t.table") {
			s.off = true
			if _, err := s.Store.Commit(ctx, c); err != nil {
				return state.Any, err
			}
			return state.Any, errCutOff
		}
	}
	return s.Store.Commit(ctx, c)
}
