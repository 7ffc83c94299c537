package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// A journal is what an interceptor has seen.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last call, sorted.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	slices.Sort(lines)
	return lines
}

var errUnwelcome = errors.New("unwelcome")

// interceptor marks what it sends, refuses the tag "bad", does not want the tag "noise", and keeps a
// journal under its name.
func (j *journal) interceptor(name string) client.Interceptor {
	return client.Interceptor{
		Send: func(_ context.Context, m *client.Message) (func(client.Receipt, error), error) {
			m.Properties["by"] += name
			var err error
			if m.Tag == "bad" {
				err = errUnwelcome
			}
			return func(r client.Receipt, err error) {
				j.add("%s: sent %s %t %v", name, m.Body, r.MessageID != "", err)
			}, err
		},
		Receive: func(_ context.Context, group string, m *client.Message) bool {
			j.add("%s: received %s by %s", name, m.Body, group)
			return m.Tag != "noise"
		},
		Settle: func(_ context.Context, group string, m *client.Message, action client.Action) func(error) {
			return func(err error) { j.add("%s: %v %s by %s: %v", name, action, m.Body, group, err) }
		},
	}
}

// observed runs a test with a client that is observed by a and b, in this order.
func observed(t *testing.T, test func(r *rig, j *journal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := brokertest.New(t, standard)
		c := newClient(t, b, client.WithInterceptors(j.interceptor("a")), client.WithInterceptors(client.Interceptor{}, j.interceptor("b")))
		test(&rig{t, b, c}, &j)
	})
}

func TestInterceptors_SeeAndMarkWhatIsSent(t *testing.T) {
	observed(t, func(r *rig, j *journal) {
		p := r.producer()
		original := message("orders", "1")
		original.Properties = map[string]string{"k": "v"}
		_, err := p.Send(r.Context(), original)
		require.NoError(r, err)
		require.Equal(r, map[string]string{"k": "v"}, original.Properties, "a copy was marked")
		require.Equal(r, []string{"a: sent 1 true <nil>", "b: sent 1 true <nil>"}, j.take())

		done := make(chan error)
		p.SendAsync(r.Context(), message("orders", "2"), func(_ client.Receipt, err error) {
			require.Len(r, j.take(), 2, "told before the caller")
			done <- err
		})
		require.NoError(r, <-done)
		_, err = p.SendBatch(r.Context(), []*client.Message{message("orders", "3"), message("orders", "4")})
		require.NoError(r, err)
		require.Equal(r, []string{"a: sent 3 true <nil>", "a: sent 4 true <nil>", "b: sent 3 true <nil>", "b: sent 4 true <nil>"}, j.take())
		for _, m := range r.broker.Messages("orders") {
			require.Equal(r, "ab", m.Properties["by"])
		}
		_, err = p.Send(r.Context(), message("nowhere", "5"))
		require.ErrorIs(r, err, client.ErrTopicNotFound)
		require.Equal(r, []string{"a: sent 5 false " + err.Error(), "b: sent 5 false " + err.Error()}, j.take())
		_, err = p.SendBatch(r.Context(), []*client.Message{message("nowhere", "6")})
		require.ErrorIs(r, err, client.ErrTopicNotFound)
		require.Equal(r, []string{"a: sent 6 false " + err.Error(), "b: sent 6 false " + err.Error()}, j.take())
	})
}

func TestInterceptors_RefuseMessages(t *testing.T) {
	observed(t, func(r *rig, j *journal) {
		p := r.producer()
		bad := message("orders", "1")
		bad.Tag = "bad"
		_, err := p.Send(r.Context(), bad)
		require.ErrorIs(r, err, errUnwelcome)
		require.EqualError(r, err, `client: send "orders": refused by an interceptor: unwelcome`)
		require.Equal(r, []string{"a: sent 1 false " + err.Error()}, j.take(), "b was not asked any more")
		done := make(chan error, 1)
		p.SendAsync(r.Context(), bad, func(_ client.Receipt, err error) { done <- err })
		require.ErrorIs(r, <-done, errUnwelcome)
		_, err = p.SendBatch(r.Context(), []*client.Message{bad, message("orders", "2")})
		var batch *client.BatchError
		require.ErrorAs(r, err, &batch)
		require.ErrorIs(r, batch.Errors[0], errUnwelcome)
		require.Len(r, batch.Errors, 1)
		require.Equal(r, []string{"2"}, r.stored("orders"))
	})
}

func TestInterceptors_SeeAndFilterWhatIsReceived(t *testing.T) {
	observed(t, func(r *rig, j *journal) {
		p := r.producer()
		for _, tag := range []string{"noise", "good"} {
			m := message("bills", tag)
			m.Tag = tag
			_, err := p.Send(r.Context(), m)
			require.NoError(r, err)
		}
		j.take()
		c := r.consumer("G", "bills")
		deliveries := r.receive(c, 1)
		require.Equal(r, []string{"good"}, bodies(deliveries))
		synctest.Wait()
		require.Equal(r, []string{"a: received good by G", "a: received noise by G", "b: received good by G"}, j.take())

		d := deliveries[0]
		require.NoError(r, d.Extend(r.Context(), time.Minute))
		require.Equal(r, []string{"a: extend good by G: <nil>", "b: extend good by G: <nil>"}, j.take())
		require.NoError(r, d.Nack(r.Context(), time.Second))
		require.Equal(r, []string{"a: nack good by G: <nil>", "b: nack good by G: <nil>"}, j.take())
		again := r.receive(c, 1)
		require.Equal(r, []string{"good"}, bodies(again), "what was filtered out does not come again")
		j.take()
		require.NoError(r, c.Ack(r.Context(), again...))
		require.Equal(r, []string{"a: ack good by G: <nil>", "b: ack good by G: <nil>"}, j.take())
		err := d.Ack(r.Context())
		require.ErrorIs(r, err, client.ErrSettled)
		require.Equal(r, []string{"a: ack good by G: " + err.Error(), "b: ack good by G: " + err.Error()}, j.take())
		time.Sleep(time.Hour)
		left, err := c.Receive(r.Context(), 32, time.Minute)
		require.NoError(r, err)
		require.Empty(r, left)
	})
}

func TestInterceptors_SeeDeadLetters(t *testing.T) {
	observed(t, func(r *rig, j *journal) {
		r.send("orders", "x")
		c := r.consumer("G", "orders")
		d := r.receive(c, 1)[0]
		j.take()
		require.NoError(r, c.ForwardToDeadLetterQueue(r.Context(), d))
		require.Equal(r, []string{"a: dead letter x by G: <nil>", "b: dead letter x by G: <nil>"}, j.take())
	})
}

func TestAction_SaysWhatItIs(t *testing.T) {
	require.Equal(t, "ack nack extend dead letter Action(9)", fmt.Sprintf("%v %v %v %v %v",
		client.ActionAck, client.ActionNack, client.ActionExtend, client.ActionDeadLetter, client.Action(9)))
}

func TestInterceptors_StandAroundHandlers(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var j journal
		interceptor := j.interceptor("a")
		interceptor.Consume = func(ctx context.Context, group string, m *client.Message) (context.Context, func(error)) {
			j.add("consume %s by %s", m.Body, group)
			return context.WithValue(ctx, key{}, "from the interceptor"), func(err error) { j.add("consumed %s: %v", m.Body, err) }
		}
		silent := client.Interceptor{Consume: func(context.Context, string, *client.Message) (context.Context, func(error)) { return nil, nil }}
		b := brokertest.New(t, standard)
		r := &rig{t, b, newClient(t, b, client.WithInterceptors(interceptor, silent))}
		p := r.producer()
		for _, tag := range []string{"noise", "good", "failing"} {
			m := message("orders", tag)
			m.Tag = tag
			_, err := p.Send(r.Context(), m)
			require.NoError(r, err)
		}
		j.take()
		pc, err := r.client.NewPushConsumer("G", map[string]client.Filter{"orders": client.All()},
			func(ctx context.Context, m *client.Message) error {
				require.Equal(r, "from the interceptor", ctx.Value(key{}))
				if m.Tag == "failing" && m.Attempt == 1 {
					return errUnwelcome
				}
				return nil
			})
		require.NoError(r, err)
		ended := make(chan error, 1)
		go func() { ended <- pc.Run(r.Context()) }()
		time.Sleep(time.Hour)
		require.NoError(r, pc.Close())
		require.NoError(r, <-ended)
		require.Equal(r, []string{
			"a: ack failing by G: <nil>", "a: ack good by G: <nil>", "a: nack failing by G: <nil>",
			"a: received failing by G", "a: received failing by G", "a: received good by G", "a: received noise by G",
			"consume failing by G", "consume failing by G", "consume good by G",
			"consumed failing: <nil>", "consumed failing: unwelcome", "consumed good: <nil>",
		}, j.take(), "what is not wanted is acknowledged unseen, and does not come again")
	})
}
