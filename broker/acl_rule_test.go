package broker_test

import (
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestACL_TheMostSpecificPolicyDecides(t *testing.T) {
	const none, denied = "no matched policies.", "the decision is deny."
	tests := map[string]struct {
		policies []broker.Policy
		want     string // of a message to N4; empty if it is taken
	}{
		"nothing":                            {nil, none},
		"the name":                           {[]broker.Policy{allow("Topic:N4", broker.Publish)}, ""},
		"in another case":                    {[]broker.Policy{allow("topic:N4", "pub")}, ""},
		"another name":                       {[]broker.Policy{allow("Topic:N", broker.Publish)}, none},
		"a prefix":                           {[]broker.Policy{allow("Topic:N*", broker.Publish)}, ""},
		"another prefix":                     {[]broker.Policy{allow("Topic:F*", broker.Publish)}, none},
		"all topics":                         {[]broker.Policy{allow("Topic:*", broker.Publish)}, ""},
		"all groups":                         {[]broker.Policy{allow("Group:*", broker.AllActions)}, none},
		"everything":                         {[]broker.Policy{allow("*", broker.Publish)}, ""},
		"another action":                     {[]broker.Policy{allow("*", broker.Subscribe)}, none},
		"denied":                             {[]broker.Policy{deny("Topic:N4", broker.Publish)}, denied},
		"the name before a prefix":           {[]broker.Policy{deny("Topic:N*", broker.Publish), allow("Topic:N4", broker.Publish)}, ""},
		"the name before itself as a prefix": {[]broker.Policy{deny("Topic:N4*", broker.Publish), allow("Topic:N4", broker.Publish)}, ""},
		"a prefix before all topics":         {[]broker.Policy{allow("Topic:*", broker.Publish), deny("Topic:N*", broker.Publish)}, denied},
		"the longer prefix":                  {[]broker.Policy{deny("Topic:N*", broker.Publish), allow("Topic:N4*", broker.Publish)}, ""},
		"all topics before everything":       {[]broker.Policy{allow("*", broker.Publish), deny("Topic:*", broker.Publish)}, denied},
		"one for another action stands back": {[]broker.Policy{deny("Topic:N4", broker.Subscribe), allow("Topic:N*", broker.Publish)}, ""},
		"from here":                          {[]broker.Policy{{Resource: "*", Actions: []broker.PolicyAction{broker.Publish}, Sources: []string{"10.0.0.7", "127.0.0.0/8"}}}, ""},
		"from this address":                  {[]broker.Policy{{Resource: "*", Actions: []broker.PolicyAction{broker.Publish}, Sources: []string{"127.0.0.1"}}}, ""},
		"from elsewhere":                     {[]broker.Policy{{Resource: "*", Actions: []broker.PolicyAction{broker.Publish}, Sources: []string{"10.0.0.7", "10.0.0.0/8", "::1"}}}, none},
		"one for elsewhere stands back": {[]broker.Policy{
			{Resource: "Topic:N4", Actions: []broker.PolicyAction{broker.Publish}, Deny: true, Sources: []string{"10.0.0.7"}},
			allow("*", broker.Publish)}, ""},
	}
	guarded(t, func(r *rig) {
		for name, test := range tests {
			r.NoError(r.broker.SetUser(alice(test.policies...)))
			answer, err := r.stub.SendMessage(signedBy("alice", "wonder"), &v2.SendMessageRequest{Messages: []*v2.Message{message("N4", "m", "m")}})
			r.NoError(err)
			if test.want == "" {
				r.Equal(v2.Code_OK, answer.GetStatus().GetCode(), "%s: %v", name, answer.GetStatus())
				continue
			}
			r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode(), name)
			r.Equal("User:alice has no permission to access Topic:N4 from 127.0.0.1, "+test.want, answer.GetStatus().GetMessage(), name)
		}
	})
}

// The policies of a group hold for the topic of its redeliveries as well.
func TestACL_TakesTheTopicOfRedeliveriesForItsGroup(t *testing.T) {
	guarded(t, func(r *rig) {
		r.ctx = signedBy("alice", "wonder")
		for _, group := range []string{"G", "%RETRY%G"} {
			answer, err := r.stub.Heartbeat(r.ctx, &v2.HeartbeatRequest{Group: resource(group), ClientType: v2.ClientType_PUSH_CONSUMER})
			r.NoError(err)
			r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, answer.GetStatus().GetCode(), group)
		}
	}, alice(allow("Group:G", broker.Subscribe)))
}

func TestACL_SeesWhereAClientIs(t *testing.T) {
	b := started(t, broker.Options{
		Topics: []broker.Topic{{Name: "N"}},
		ACL: &broker.ACL{Users: []broker.User{alice(
			broker.Policy{Resource: "*", Actions: []broker.PolicyAction{broker.AllActions}, Sources: []string{"192.0.2.1"}})}},
	})
	conn, err := grpc.NewClient(b.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	answer, err := v2.NewMessagingServiceClient(conn).QueryRoute(signedBy("alice", "wonder"), &v2.QueryRouteRequest{Topic: resource("N")})
	require.NoError(t, err)
	require.Equal(t, "User:alice has no permission to access Topic:N from 127.0.0.1, no matched policies.", answer.GetStatus().GetMessage())
}
