package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestObserver_CostsNothingWhenNobodyObserves(t *testing.T) {
	o, err := newObserver(&Client{})
	require.NoError(t, err)
	require.Nil(t, o)
	m, by, c := &Message{}, &member{}, &consumer{}
	deliveries := []*Delivery{{}}
	ctx, done := t.Context(), func(Receipt, error) {}
	allocs := testing.AllocsPerRun(100, func() {
		m, s, err := o.send(ctx, by, m)
		s.before(done)(Receipt{}, err)
		o.attempted(ctx, by, m.Topic, time.Time{}, err)
		_, _ = o.receive(ctx, c, deliveries, pollTimes{})
		handler, n := o.consume(ctx, c, m, time.Time{})
		n.end(handler.Err())
		o.settle(ctx, c, ActionAck, deliveries...).end(nil)
		o.settle(ctx, c, ActionAck, deliveries...).endExcept(nil)
	})
	require.Zero(t, allocs)
	require.NoError(t, o.close())
}
