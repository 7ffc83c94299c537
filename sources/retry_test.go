package sources

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// retrying is a pipeline of a topic and its retry topic, which fails for some messages.
type retrying struct {
	*rig
	mu    sync.Mutex
	tries map[string][]seen // by body
	fails map[string]int    // by body: how often
	err   error             // of failures
	out   *flowtest.Output[*client.Message]
}

// seen is a try of a message.
type seen struct {
	at      time.Duration
	retries int
	message client.Message
}

func newRetrying(r *rig, fails map[string]int) *retrying {
	require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "later", Queues: 2, Type: broker.Delay}))
	require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "dead", Queues: 1}))
	require.NoError(r, r.broker.CreateGroup(broker.Group{Name: "R"}))
	return &retrying{rig: r, tries: make(map[string][]seen), fails: fails, err: errors.New("broken"), out: flowtest.NewOutput[*client.Message]()}
}

func (p *retrying) pipeline() *flow.Pipeline {
	begun := time.Now()
	retry := sinks.RetryTopic(p.client, "later", sinks.DeadLetterTopic(p.client, "dead"), 10*time.Second, time.Minute, time.Hour)
	return flow.Merge(
		flow.From(RocketMQ(p.client, "in", "G")),
		flow.From(RetryTopic(p.client, "later", "R")),
	).TryMap(func(_ context.Context, m *client.Message) (*client.Message, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		body := string(m.Body)
		p.tries[body] = append(p.tries[body], seen{time.Since(begun).Round(time.Second), sinks.Retries(m), *m})
		if len(p.tries[body]) <= p.fails[body] {
			return nil, p.err
		}
		return m, nil
	}).Named("work").OnError(flow.DeadLetter(retry)).To(p.out)
}

// run runs the pipeline until so many messages have come to an end: written, or dead.
func (p *retrying) run(ends int) *flowtest.Result {
	p.Helper()
	return flowtest.Run(p.T, p.pipeline(), flowtest.StopWhen(func() bool {
		return len(p.out.Values())+len(p.broker.Messages("dead")) == ends
	}))
}

func (p *retrying) times(body string) (at []time.Duration, retries []int) {
	for _, s := range p.tries[body] {
		at, retries = append(at, s.at), append(retries, s.retries)
	}
	return at, retries
}

func TestRetryTopic_BringsBackWhatFailedWithLongerDelays(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newRetrying(r, map[string]int{"once": 1, "thrice": 3, "always": 100})
		born := time.Now()
		r.send("in", "", "once", "thrice", "always", "never")
		time.Sleep(time.Second)
		res := p.run(4)
		require.NoError(r, res.Err)

		at, retries := p.times("once")
		require.InDelta(r, 10, at[1].Seconds(), 2)
		require.Equal(r, []int{0, 1}, retries)
		at, retries = p.times("thrice")
		require.InDelta(r, 3670, at[3].Seconds(), 8)
		require.Equal(r, []int{0, 1, 2, 3}, retries)
		_, retries = p.times("always")
		require.Equal(r, []int{0, 1, 2, 3}, retries)

		// It is the message that it was.
		first, last := p.tries["thrice"][0].message, p.tries["thrice"][3].message
		require.NotEmpty(r, first.ID)
		require.Equal(r, []any{first.ID, "in", first.TraceContext, born.UnixMilli()},
			[]any{last.ID, last.Topic, last.TraceContext, last.BornTime.UnixMilli()})
		require.Equal(r, map[string]string{
			sinks.PropertyRetries: "3", sinks.PropertyStage: "work", sinks.PropertyAttempt: "1", sinks.PropertyError: "broken",
		}, last.Properties)

		dead := r.broker.Messages("dead")
		require.Len(r, dead, 1)
		require.Equal(r, "always", string(dead[0].Body))
		work, _ := res.Snapshot.Stage("work")
		require.Equal(r, []int64{1, 1 + 3 + 3}, []int64{work.DeadLettered, work.RetriedLater})
		for _, group := range []string{"G", "R"} {
			stats := r.stats(group)
			require.Zero(r, stats.Backlog, "%s: all is acknowledged", group)
		}
	})
}

// A failure waits in the server: the run ends, and another goes on with it.
func TestRetryTopic_SurvivesTheRun(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newRetrying(r, map[string]int{"a": 2})
		r.send("in", "", "a")
		flowtest.Run(r.T, p.pipeline(), flowtest.StopAfter(5*time.Second))
		require.Empty(r, p.out.Values())
		time.Sleep(time.Hour)
		require.NoError(r, p.run(1).Err)
		_, retries := p.times("a")
		require.Equal(r, []int{0, 1, 2}, retries)
	})
}

// What no retry can mend does not come again.
func TestRetryTopic_DeadLettersWhatIsPermanent(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newRetrying(r, map[string]int{"a": 1})
		p.err = stage.Permanent(p.err)
		r.send("in", "", "a")
		res := p.run(1)
		require.NoError(r, res.Err)
		work, _ := res.Snapshot.Stage("work")
		require.Equal(r, []int64{1, 0}, []int64{work.DeadLettered, work.RetriedLater})
		require.Len(r, p.tries["a"], 1)
		require.Len(r, r.broker.Messages("dead"), 1)
		require.Empty(r, r.broker.Messages("later"))
	})
}

// Of a batch that failed each message comes again: none is done by what another is sent for.
func TestRetryTopic_BringsBackEachMessageOfABatch(t *testing.T) {
	inBubble(t, func(r *rig) {
		p := newRetrying(r, nil)
		retry := sinks.RetryTopic(r.client, "later", sinks.DeadLetterTopic(r.client, "dead"), 10*time.Second)
		soon := func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }
		failures := 0
		out := flowtest.NewOutput[int]()
		pipe := flow.Merge(
			flow.From(RocketMQ(r.client, "in", "G")), flow.From(RetryTopic(r.client, "later", "R")),
		).Batch(3, time.Second).TryMap(func(_ context.Context, ms []*client.Message) (int, error) {
			if failures++; failures <= 2 {
				return 0, p.err
			}
			return len(ms), nil
		}).OnError(flow.Retry(1, soon).Then(flow.DeadLetter(retry))).To(out)
		r.send("in", "", "a", "b", "c")
		res := flowtest.Run(r.T, pipe, flowtest.StopWhen(func() bool {
			sum := 0
			for _, n := range out.Values() {
				sum += n
			}
			return sum == 3
		}))
		require.NoError(r, res.Err)
		require.Len(r, r.broker.Messages("later"), 3)
	})
}

// What cannot come again is handed back, and not taken for done.
func TestRetryTopic_HandsBackWhatItCannotSend(t *testing.T) {
	inBubble(t, func(r *rig) {
		newRetrying(r, nil)
		retry := sinks.RetryTopic(r.client, "later", sinks.DeadLetterTopic(r.client, "dead"), 10*time.Second)
		w, err := retry.Open(r.Context())
		require.NoError(r, err)
		full := &client.Message{Body: []byte("b"), ID: "full", Properties: make(map[string]string)}
		for i := range 128 {
			full.Properties["p"+strconv.Itoa(i)] = "v"
		}
		err = w.Write(r.Context(), stage.Batch[stage.Failure]{Values: []stage.Failure{
			{Source: 7}, {Source: &client.Message{Body: []byte("ok")}}, {Source: full}, {Source: 7, Err: stage.Permanent(errors.New("x"))},
		}})
		var failed *stage.BatchError
		require.ErrorAs(r, err, &failed)
		require.Len(r, failed.Failed, 2)
		require.ErrorContains(r, failed.Failed[0], "only a message can come again")
		require.ErrorContains(r, failed.Failed[2], "has no room")
		require.NoError(r, w.Close(r.Context()))
		require.Len(r, r.broker.Messages("dead"), 1)
	})
}

func TestRetryTopic_DoesNotOpenOutOfRange(t *testing.T) {
	inBubble(t, func(r *rig) {
		dead := sinks.DeadLetterTopic(r.client, "dead")
		for _, s := range []stage.Sink[stage.Failure]{
			sinks.RetryTopic(r.client, "later", nil, time.Second), sinks.RetryTopic(r.client, "later", dead),
			sinks.RetryTopic(r.client, "later", dead, time.Second, 0),
		} {
			_, err := s.Open(r.Context())
			require.True(r, stage.IsPermanent(err), err)
		}
	})
}
