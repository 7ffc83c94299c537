package admin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCreateUser_SendsTheUserAndThenThePolicies(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	require.NoError(t, server.client.CreateUser(t.Context(), User{Name: "alice", Secret: "wonder", Policies: []Policy{
		{Resource: "Topic:orders", Actions: []string{"Pub", "Sub"}},
		{Resource: "Group:*", Actions: []string{"Sub"}, Deny: true, Sources: []string{"10.0.0.0/8"}},
	}}))
	user, policies := server.requests()[0], server.requests()[1]
	require.Equal(t, codeCreateUser, user.Code)
	require.Equal(t, "alice", user.ExtFields["username"])
	require.JSONEq(t, `{"username": "alice", "password": "wonder", "userType": "Normal", "userStatus": "enable"}`, string(user.body))
	require.Equal(t, codeCreateACL, policies.Code)
	require.Equal(t, "User:alice", policies.ExtFields["subject"])
	require.JSONEq(t, `{"subject": "User:alice", "policies": [{"policyType": "Custom", "entries": [
		{"resource": "Topic:orders", "actions": ["Pub", "Sub"], "decision": "Allow"},
		{"resource": "Group:*", "actions": ["Sub"], "sourceIps": ["10.0.0.0/8"], "decision": "Deny"}
	]}]}`, string(policies.body))
}

func TestCreateUser_SendsNoPoliciesIfThereAreNone(t *testing.T) {
	server := serve(t, func(command) command { return command{} })
	require.NoError(t, server.client.CreateUser(t.Context(), User{Name: "bob", Secret: "s", Disabled: true}))
	require.Len(t, server.requests(), 1)
	require.JSONEq(t, `{"username": "bob", "password": "s", "userType": "Normal", "userStatus": "disable"}`, string(server.requests()[0].body))
}
