package client

import (
	"context"
	"testing"
	"testing/synctest"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// Who has got hold of a session just before its endpoint left the routes, and awaits it only after
// its last outcome, would wait for as long as its context lasts.
func TestSession_HoldsUpNobodyWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &member{client: &Client{}, kind: v2.ClientType_PRODUCER, ctx: context.Background()}
		s := newSession(m, &conn{name: "10.0.0.1:1"})
		s.cancel(errNotNeeded)
		s.settle(s.over())
		require.ErrorIs(t, s.await(context.Background()), ErrUnavailable)
		s = newSession(m, &conn{name: "10.0.0.1:1"})
		s.cancel(ErrClosed)
		s.settle(s.over())
		require.ErrorIs(t, s.await(context.Background()), ErrClosed)
	})
}
