package gostreams_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// given is a stock source of elements.
func given(elements ...any) *extension.ChanSource {
	in := make(chan any, len(elements))
	for _, e := range elements {
		in <- e
	}
	close(in)
	return extension.NewChanSource(in)
}

// all reads an output to its end.
func all(from streams.Outlet) []any {
	var got []any
	for e := range from.Out() {
		got = append(got, e)
	}
	return got
}

// journal is a sink in memory that can be told to fail.
type journal[T any] struct {
	fail func(v T) error // nil to write all

	mu     sync.Mutex
	values []T
}

func (j *journal[T]) Open(context.Context) (stage.Writer[T], error) { return j, nil }

func (j *journal[T]) Write(_ context.Context, b stage.Batch[T]) error {
	var failed stage.BatchError
	for i, v := range b.Values {
		if j.fail != nil {
			if err := j.fail(v); err != nil {
				failed.Fail(i, err)
				continue
			}
		}
		j.mu.Lock()
		j.values = append(j.values, v)
		j.mu.Unlock()
	}
	return failed.OrNil()
}

func (j *journal[T]) Close(context.Context) error { return nil }

func (j *journal[T]) written() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]T(nil), j.values...)
}

// A rig is a test with a broker in memory and a client of it.
type rig struct {
	*testing.T
	broker *broker.Broker
	client *client.Client
}

func inBubble(t *testing.T, test func(r *rig), opts ...brokertest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, opts...)
		c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		test(&rig{t, b, c})
	})
}

func (r *rig) send(topic string, bodies ...string) {
	r.Helper()
	p, err := r.client.NewProducer()
	require.NoError(r, err)
	for _, body := range bodies {
		_, err := p.Send(r.Context(), &client.Message{Topic: topic, Body: []byte(body)})
		require.NoError(r, err)
	}
}

// stored gives the bodies of a topic in the broker.
func (r *rig) stored(topic string) []string {
	var bodies []string
	for _, m := range r.broker.Messages(topic) {
		bodies = append(bodies, string(m.Body))
	}
	return bodies
}
