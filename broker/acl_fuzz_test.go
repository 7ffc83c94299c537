package broker_test

import (
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
)

// FuzzAuthorization lets any headers arrive at a broker that serves users alone. None but those with
// the right signature open it.
func FuzzAuthorization(f *testing.F) {
	good := signatureOf("toor")
	for _, header := range []string{
		"", "MQv2-HMAC-SHA1", "MQv2-HMAC-SHA1 Credential=root/cn/mq, SignedHeaders=x-mq-date-time, Signature=" + good,
		"a Credential=,Signature=", "a Credential=//,,=", "a Credential=root,Signature=" + good[:38], "a =,=,Signature=zz",
	} {
		f.Add(header, when)
		f.Add(header, "")
	}
	opts := standard()
	opts.ACL = &broker.ACL{Users: []broker.User{{Name: "root", Secret: "toor", Super: true}}}
	shared := newRig(f, opts)
	f.Fuzz(func(t *testing.T, header, date string) {
		if strings.ContainsFunc(header+date, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip("not a header")
		}
		ctx := metadata.AppendToOutgoingContext(as("client"), "authorization", header, "x-mq-date-time", date)
		answer, err := shared.stub.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource("N")})
		require.NoError(t, err)
		if date == when && strings.Contains(strings.ToLower(header), good) {
			return
		}
		require.Equal(t, v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode())
		require.NotEmpty(t, answer.GetStatus().GetMessage())
	})
}

// FuzzPolicy lets anything be a policy. It is taken or refused, and what is taken is listed as it was
// given.
func FuzzPolicy(f *testing.F) {
	for _, resource := range []string{"Topic:orders", "Group:bill*", "*", "Topic:*", "topic:", "Cluster:c", "Topic:a*b", "::*"} {
		f.Add(resource, "Pub", "10.0.0.0/8")
	}
	f.Add("*", "all", "::ffff:10.0.0.1")
	f.Add("*", "", "fe80::1%eth0")
	opts := standard()
	opts.ACL = new(broker.ACL)
	shared := newRig(f, opts)
	f.Fuzz(func(t *testing.T, resource, action, source string) {
		policy := broker.Policy{Resource: resource, Actions: []broker.PolicyAction{broker.PolicyAction(action)}, Sources: []string{source}}
		if err := shared.broker.SetUser(alice(policy)); err != nil {
			var fault *broker.ConfigError
			require.ErrorAs(t, err, &fault)
			return
		}
		require.Equal(t, []broker.Policy{policy}, shared.broker.Users()[0].Policies)
		_, err := shared.stub.QueryRoute(signedBy("alice", "wonder"), &v2.QueryRouteRequest{Topic: &v2.Resource{Name: "N"}})
		require.NoError(t, err)
	})
}
