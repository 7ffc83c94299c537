package broker_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestACL_ChangesWhileClientsWork(t *testing.T) {
	guarded(t, func(r *rig) {
		ask := r.requests()["route"]
		r.Equal("User:alice is not found.", r.asAlice(ask).GetMessage())
		r.NoError(r.broker.SetUser(alice(allow("*", broker.AllActions))))
		r.Equal(v2.Code_OK, r.asAlice(ask).GetCode())

		changed := alice(allow("*", broker.AllActions))
		changed.Secret = "another"
		r.NoError(r.broker.SetUser(changed))
		r.Equal("check signature failed.", r.asAlice(ask).GetMessage())

		changed.Disabled = true
		r.NoError(r.broker.SetUser(changed))
		r.Equal("User:alice is disabled.", r.asAlice(ask).GetMessage())

		r.NoError(r.broker.RemoveUser("alice"))
		r.Equal("User:alice is not found.", r.asAlice(ask).GetMessage())
		r.ErrorIs(r.broker.RemoveUser("alice"), broker.ErrUnknown)
	})
}

func TestUsers_AreListedWithoutSecrets(t *testing.T) {
	policy := broker.Policy{Resource: "Topic:N", Actions: []broker.PolicyAction{broker.Publish}, Sources: []string{"10.0.0.7"}}
	guarded(t, func(r *rig) {
		all := r.broker.Users()
		r.Equal([]broker.User{{Name: "alice", Policies: []broker.Policy{policy}}, {Name: "root", Super: true}}, all)
		all[0].Policies[0].Actions[0] = broker.Subscribe
		r.Equal(policy, r.broker.Users()[0].Policies[0])
	}, alice(policy))
}

func TestUser_DoesNotTellItsSecret(t *testing.T) {
	u := broker.User{Name: "alice", Secret: "wonder"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "user", u)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", u, u, u, u), log.String()} {
		require.Contains(t, text, "User:alice")
		require.NotContains(t, text, "wonder")
	}
}

func TestACL_IsNeededForUsers(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.ErrorIs(r.broker.SetUser(alice()), broker.ErrNoACL)
		r.ErrorIs(r.broker.RemoveUser("alice"), broker.ErrNoACL)
		r.Empty(r.broker.Users())
		st, _ := r.route("N")
		r.Equal(v2.Code_OK, st.GetCode())
	})
}

func TestACL_WithoutUsersServesNobody(t *testing.T) {
	guarded(t, func(r *rig) {
		r.NoError(r.broker.RemoveUser("root"))
		st, _ := r.route("N")
		r.Equal("User:root is not found.", st.GetMessage())
	})
}

func TestStart_ReportsAllThatIsWrongWithUsers(t *testing.T) {
	_, err := broker.Start(broker.Options{InMemory: true, ACL: &broker.ACL{Users: []broker.User{
		{Secret: "s"}, {Name: "a/b", Secret: "s"}, {Name: "a,b", Secret: "s"}, {Name: "secretless"},
		{Name: "twice", Secret: "s"}, {Name: "twice", Secret: "s"},
	}}})
	for _, text := range []string{
		`user ""`, `user "a/b"`, `user "a,b"`, `user "secretless": the secret must not be blank`, `exists already: user "twice"`,
	} {
		require.ErrorContains(t, err, text)
	}
	require.ErrorIs(t, err, broker.ErrExists)
	var fault *broker.ConfigError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "user", fault.Kind)
}

func TestSetUser_RefusesPoliciesThatSayNothing(t *testing.T) {
	all := []broker.PolicyAction{broker.AllActions}
	tests := map[string]struct {
		policies []broker.Policy
		reason   string
	}{
		"no resource":     {[]broker.Policy{{Actions: all}}, `policy for "": want a resource such as "Topic:orders", "Group:bill*" or "*"`},
		"another kind":    {[]broker.Policy{allow("Cluster:c", broker.AllActions)}, "want a resource"},
		"no name":         {[]broker.Policy{allow("Topic:", broker.AllActions)}, `name "": want letters`},
		"an ill name":     {[]broker.Policy{allow("Topic:a b", broker.AllActions)}, `name "a b": want letters`},
		"a star between":  {[]broker.Policy{allow("Topic:a*b", broker.AllActions)}, `name "a*b": want letters`},
		"no action":       {[]broker.Policy{allow("*")}, "no actions: want Pub, Sub or All"},
		"another action":  {[]broker.Policy{allow("*", "Get")}, `action "Get": want Pub, Sub or All`},
		"an ill source":   {[]broker.Policy{{Resource: "*", Actions: all, Sources: []string{"localhost"}}}, `source "localhost": want an address`},
		"two of one name": {[]broker.Policy{allow("Topic:a*", broker.Publish), allow("*", broker.Publish), deny("topic:a*", broker.Subscribe)}, `two policies for "topic:a*": join them`},
	}
	guarded(t, func(r *rig) {
		for name, test := range tests {
			err := r.broker.SetUser(alice(test.policies...))
			r.ErrorContains(err, `broker: create user "alice": `, name)
			r.ErrorContains(err, test.reason, name)
			r.Len(r.broker.Users(), 1)
		}
	})
}
