package client_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// guarded runs a test against a broker that serves alice alone, who may use orders in group G.
func guarded(t *testing.T, test func(r *rig)) {
	t.Helper()
	alice := broker.User{Name: "alice", Secret: "wonder", Policies: []broker.Policy{
		{Resource: "Topic:orders", Actions: []broker.PolicyAction{broker.AllActions}},
		{Resource: "Group:G", Actions: []broker.PolicyAction{broker.Subscribe}},
	}}
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, standard, brokertest.With(func(o *broker.Options) {
			o.ACL = &broker.ACL{Users: []broker.User{alice}}
		}))
		test(&rig{t, b, newClient(t, b, client.WithCredentials("alice", "wonder"))})
	})
}

func TestCredentials_OpenABrokerThatServesUsersAlone(t *testing.T) {
	guarded(t, func(r *rig) {
		c := r.consumer("G", "orders")
		r.send("orders", "coffee", "tea")
		for _, d := range r.receive(c, 2) {
			require.NoError(r, d.Extend(r.Context(), time.Minute))
			require.NoError(r, d.Ack(r.Context()))
		}
	})
}

func TestCredentials_ThatAreWrongOpenNothing(t *testing.T) {
	guarded(t, func(r *rig) {
		for name, opts := range map[string][]client.Option{
			"none":         nil,
			"wrong secret": {client.WithCredentials("alice", "wander")},
			"unknown user": {client.WithCredentials("bob", "wonder")},
		} {
			r.client = newClient(r.T, r.broker, opts...)
			_, err := r.producer().Send(r.Context(), message("orders", "coffee"))
			require.ErrorIs(r, err, client.ErrUnauthorized, name)
			_, err = r.consumer("G", "orders").Receive(r.Context(), 1, time.Minute)
			require.ErrorIs(r, err, client.ErrUnauthorized, name)
			require.NotContains(r, err.Error(), "wander")
		}
		require.Empty(r, r.stored("orders"))
	})
}

func TestCredentials_OpenNoMoreThanTheirUserMay(t *testing.T) {
	guarded(t, func(r *rig) {
		_, err := r.producer().Send(r.Context(), message("bills", "coffee"))
		require.ErrorIs(r, err, client.ErrUnauthorized)
		require.ErrorContains(r, err, "User:alice has no permission to access Topic:bills from 127.0.0.1, no matched policies.")
		_, err = r.consumer("O", "orders").Receive(r.Context(), 1, time.Minute)
		require.ErrorIs(r, err, client.ErrUnauthorized)
	})
}

// Credentials that change are asked for again, so that a producer goes on with the new ones.
func TestCredentials_MayChangeWhileTheBrokersDo(t *testing.T) {
	guarded(t, func(r *rig) {
		var secret atomic.Value
		secret.Store("wonder")
		r.client = newClient(r.T, r.broker, client.WithCredentialsFunc(func(context.Context) (client.Credentials, error) {
			return client.Credentials{AccessKey: "alice", Secret: secret.Load().(string)}, nil
		}))
		p := r.producer()
		_, err := p.Send(r.Context(), message("orders", "before"))
		require.NoError(r, err)
		secret.Store("marvel")
		require.NoError(r, r.broker.SetUser(broker.User{Name: "alice", Secret: "marvel", Super: true}))
		_, err = p.Send(r.Context(), message("orders", "after"))
		require.NoError(r, err)
		require.ElementsMatch(r, []string{"before", "after"}, r.stored("orders"))
	})
}
