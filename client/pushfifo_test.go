package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// sendGroup sends messages of one group, in order.
func (r *rig) sendGroup(topic, group string, bodies ...string) {
	r.Helper()
	p := r.producer()
	for _, body := range bodies {
		_, err := p.Send(r.Context(), &client.Message{Topic: topic, MessageGroup: group, Body: []byte(body)})
		require.NoError(r, err)
	}
}

func TestPushConsumer_KeepsOrderOnFIFOWhenAMessageFails(t *testing.T) {
	for name, opts := range map[string][]client.PushOption{
		"by queue": nil, "by message group": {client.WithFIFOAccelerator()},
		"with an explicit lease": {client.WithInvisibleDuration(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.sendGroup("steps", "g", "m1", "m2", "m3")
				var seen journal
				r.push("O", []string{"steps"}, func(_ context.Context, m *client.Message) error {
					seen.add("%s/%d", m.Body, m.Attempt)
					if string(m.Body) == "m1" && m.Attempt < 3 {
						return errors.New("not yet")
					}
					return nil
				}, opts...)
				time.Sleep(time.Hour)
				require.Equal(r, []string{"m1/1", "m1/2", "m1/3", "m2/1", "m3/1"}, seen.all())
			})
		})
	}
}

func TestPushConsumer_AcceleratesByMessageGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		for i := range 20 {
			r.sendGroup("steps", fmt.Sprint(i), "a", "b")
		}
		var seen journal
		start := time.Now()
		r.push("O", []string{"steps"}, func(_ context.Context, m *client.Message) error {
			time.Sleep(time.Second)
			seen.add("%s", m.Body)
			return nil
		}, client.WithFIFOAccelerator(), client.WithConcurrency(100))
		time.Sleep(3 * time.Second)
		require.Len(r, seen.all(), 40)
		require.Less(r, time.Since(start), 4*time.Second)
	})
}
