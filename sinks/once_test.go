package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// checked is long enough for the server to ask about every transaction that is open.
const checked = 2 * time.Minute

func onceRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	require.NoError(r, r.broker.CreateTopic(broker.Topic{Name: "once", Queues: 1, Type: broker.Transaction}))
	return r
}

// numbered encodes a value as the body.
func numbered(v int) (*client.Message, error) {
	if v < 0 {
		return nil, errors.New("below zero")
	}
	return &client.Message{Body: strconv.AppendInt(nil, int64(v), 10), Properties: map[string]string{"kept": "yes"}}, nil
}

// inputs is a batch of values, each of an input that has its number as id.
func inputs(attempt int, values ...int) stage.Batch[int] {
	return stage.Batch[int]{Values: values, Info: func(i int) stage.Info {
		return stage.Info{ID: "input " + strconv.Itoa(values[i]), Attempt: attempt}
	}}
}

func (r *rig) once(store state.Store, opts ...OnceOption) stage.Writer[int] {
	r.Helper()
	return openSink(r.T, RocketMQOnce(r.client, "once", store, ByInput, numbered, opts...))
}

func (r *rig) inject(f broker.Fault) {
	r.Helper()
	_, err := r.broker.Inject(f)
	require.NoError(r, err)
}

// sent waits until no transaction is open, and gives what is delivered, sorted.
func (r *rig) sent() []string {
	time.Sleep(checked)
	synctest.Wait()
	return slices.Sorted(slices.Values(bodies(r.broker, "once")))
}

// trapStore is a store that a test can trip.
type trapStore struct {
	state.Store
	mu     sync.Mutex
	before func() error // of the next commit
	after  func() error // likewise: the commit is made
}

func (s *trapStore) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	s.mu.Lock()
	before, after := s.before, s.after
	s.before, s.after = nil, nil
	s.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return 0, err
		}
	}
	v, err := s.Store.Commit(ctx, c)
	if after != nil && err == nil {
		err = after()
	}
	return v, err
}

func TestRocketMQOnce_SendsEachInputOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		w := r.once(state.NewMemory())
		require.NoError(t, w.Write(t.Context(), inputs(1, 1, 2, 3)))
		require.NoError(t, w.Write(t.Context(), inputs(2, 2, 3, 4)), "2 and 3 have come again")
		require.Equal(t, []string{"1", "2", "3", "4"}, r.sent())
		require.Equal(t, "yes", r.broker.Messages("once")[0].Properties["kept"])
	})
}

func TestRocketMQOnce_TakesOneOfWhatComesTwiceInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		b := inputs(1, 5, 5)
		b.Info = func(i int) stage.Info { return stage.Info{ID: "input 5", Attempt: i + 1} }
		require.NoError(t, r.once(state.NewMemory()).Write(t.Context(), b))
		require.Equal(t, []string{"5"}, r.sent())
	})
}

func TestRocketMQOnce_FailsWhatWouldBeLostOrCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		b := inputs(1, 1, -2, 3, 4)
		b.Info = func(i int) stage.Info { return stage.Info{ID: []string{"a", "b", "a", ""}[i], Attempt: 1} }
		var failed *stage.BatchError
		require.ErrorAs(t, r.once(state.NewMemory()).Write(t.Context(), b), &failed)
		require.Len(t, failed.Failed, 3)
		for i, why := range map[int]string{1: "below zero", 2: `same id "a"`, 3: "id is empty"} {
			require.ErrorContains(t, failed.Failed[i], why)
			require.True(t, stage.IsPermanent(failed.Failed[i]))
		}
		require.Equal(t, []string{"1"}, r.sent())
	})
}

// A crash between the message and its entry: the transaction is called off, and the input sends anew.
func TestRocketMQOnce_CallsOffWhatHasNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		store := &trapStore{Store: state.NewMemory(), before: func() error { return errors.New("crash") }}
		w := r.once(store)
		require.ErrorContains(t, w.Write(t.Context(), inputs(1, 1)), "crash")
		require.Empty(t, r.sent(), "it is rolled back")
		require.NoError(t, w.Write(t.Context(), inputs(2, 1)))
		require.Equal(t, []string{"1"}, r.sent())
	})
}

// A crash between the entry and the commit: whoever runs next is asked, and commits.
func TestRocketMQOnce_CommitsWhatHasAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		r.inject(broker.Fault{On: broker.Match{RPC: "EndTransaction"}, Until: 3 * time.Second, Do: broker.AnswerCode(50001, "down")})
		store := &trapStore{Store: state.NewMemory(), after: func() error { return errors.New("crash") }}
		require.ErrorContains(t, r.once(store).Write(t.Context(), inputs(1, 1)), "crash")
		w := r.once(store)
		require.NoError(t, w.Write(t.Context(), inputs(1, 2)), "an end that does not get through fails no value")
		require.Equal(t, []string{"1", "2"}, r.sent())
		require.NoError(t, w.Write(t.Context(), inputs(2, 1)))
		require.Equal(t, []string{"1", "2"}, r.sent())
	})
}

// A process that was thought dead finds its transaction called off, and sends anew.
func TestRocketMQOnce_DoesNotMakeAnEntryForWhatWasCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		store := &trapStore{Store: state.NewMemory()}
		store.before = func() error {
			time.Sleep(checked) // the server asks meanwhile
			return nil
		}
		require.NoError(t, r.once(store).Write(t.Context(), inputs(1, 1)))
		require.Equal(t, []string{"1"}, r.sent())
	})
}

func TestRocketMQOnce_LetsOneOfTwoProcessesSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		store := &trapStore{Store: state.NewMemory()}
		other := r.once(store)
		store.before = func() error { return other.Write(t.Context(), inputs(2, 1, 2)) }
		require.NoError(t, r.once(store).Write(t.Context(), inputs(1, 1, 2, 3)))
		require.Equal(t, []string{"1", "2", "3"}, r.sent())
	})
}

// An attempt without an answer may have stored its message. The next is another transaction.
func TestRocketMQOnce_SendsOnceThoughAnswersAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		r.inject(broker.Fault{On: broker.Match{RPC: "SendMessage"}, Times: 2, Do: broker.CutAfter()})
		w := r.once(state.NewMemory())
		for attempt := 1; ; attempt++ {
			if err := w.Write(t.Context(), inputs(attempt, 1)); err == nil {
				require.Greater(t, attempt, 1)
				break
			}
		}
		require.Equal(t, []string{"1"}, r.sent())
	})
}

func TestRocketMQOnce_ForgetsWhatCannotComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		store := state.NewMemory()
		w := r.once(store, RememberFor(time.Hour))
		require.NoError(t, w.Write(t.Context(), inputs(1, 1)))
		time.Sleep(59 * time.Minute)
		require.NoError(t, w.Write(t.Context(), inputs(2, 1)))
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, w.Write(t.Context(), inputs(3, 1)))
		require.Equal(t, []string{"1", "1"}, r.sent())
	})
}

func TestRocketMQOnce_DoesNotOpenWithWhatCannotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := onceRig(t)
		store := state.NewMemory()
		for name, s := range map[string]*RocketMQOnceSink[int]{
			"store":    RocketMQOnce(r.client, "once", nil, ByInput, numbered),
			"id":       RocketMQOnce(r.client, "once", store, nil, numbered),
			"encode":   RocketMQOnce[int](r.client, "once", store, ByInput, nil),
			"remember": RocketMQOnce(r.client, "once", store, ByInput, numbered, RememberFor(0)),
		} {
			_, err := s.Open(t.Context())
			require.ErrorContains(t, err, name, name)
			require.True(t, stage.IsPermanent(err))
		}
		require.Equal(t, "rocketmq once once", fmt.Sprint(RocketMQOnce(r.client, "once", store, ByInput, numbered).SinkTraits().Name))
	})
}
