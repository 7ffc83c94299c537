package broker_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"testing"
	"testing/synctest"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
)

// when is the time that all signatures of tests are of: nobody minds how old it is.
const when = "19990102T030405Z"

// signedBy gives the context of a client that signs as a user.
func signedBy(user, secret string) context.Context {
	return withHeader(as("client"), "MQv2-HMAC-SHA1 Credential="+user+", SignedHeaders=x-mq-date-time, Signature="+signatureOf(secret))
}

func signatureOf(secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(when))
	return hex.EncodeToString(mac.Sum(nil))
}

// withHeader gives a context with this header, and with the time that goes with it.
func withHeader(ctx context.Context, authorization string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-mq-date-time", when, "authorization", authorization)
}

// guarded runs a test with a broker that serves these users alone; root may do everything.
func guarded(t *testing.T, test func(r *rig), users ...broker.User) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := standard()
		opts.Pull = true
		opts.ACL = &broker.ACL{Users: append(users, broker.User{Name: "root", Secret: "toor", Super: true})}
		r := newRig(t, opts)
		r.ctx = signedBy("root", "toor")
		test(r)
	})
}

// alice gives a user with policies.
func alice(policies ...broker.Policy) broker.User {
	return broker.User{Name: "alice", Secret: "wonder", Policies: policies}
}

func allow(resource string, actions ...broker.PolicyAction) broker.Policy {
	return broker.Policy{Resource: resource, Actions: actions}
}

func deny(resource string, actions ...broker.PolicyAction) broker.Policy {
	return broker.Policy{Resource: resource, Actions: actions, Deny: true}
}

// asAlice asks for something that the answer's status tells of.
func (r *rig) asAlice(ask func(ctx context.Context) (interface{ GetStatus() *v2.Status }, error)) *v2.Status {
	answer, err := ask(signedBy("alice", "wonder"))
	r.NoError(err)
	return answer.GetStatus()
}
