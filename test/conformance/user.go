package conformance

import (
	"crypto/hmac"
	"crypto/sha1" // the signature of the protocol is an HMAC-SHA1
	"encoding/hex"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	secret = "open sesame" // of all users

	// signedAt is the time that all signatures are of: nobody minds how old it is.
	signedAt = "19990102T030405Z"

	dateHeader, authorizationHeader = "x-mq-date-time", "authorization"
)

// User creates a user with policies and returns a client that signs as that user, and its name.
func (e *Env) User(policies ...target.Policy) (*Client, string) {
	return e.UserLike(target.User{Policies: policies})
}

// UserLike creates the user under a new name, which it returns with a client that signs so.
func (e *Env) UserLike(u target.User) (*Client, string) {
	u.Name, u.Secret = e.Name("user"), secret
	require.NoError(e, e.server.CreateUser(e.ctx, u))
	c := e.Client()
	c.sign("MQv2-HMAC-SHA1 Credential=" + u.Name + ", SignedHeaders=x-mq-date-time, Signature=" + signatureOf(secret))
	return c, u.Name
}

// sign has the client send the header with all its calls.
func (c *Client) sign(header string) {
	c.signed = map[string]string{dateHeader: signedAt, authorizationHeader: header}
}

func signatureOf(secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(signedAt))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

func allow(resource string, actions ...string) target.Policy {
	return target.Policy{Resource: resource, Actions: actions}
}

func deny(resource string, actions ...string) target.Policy {
	return target.Policy{Resource: resource, Actions: actions, Deny: true}
}

func from(p target.Policy, sources ...string) target.Policy {
	p.Sources = sources
	return p
}

// requireUnauthorized wants a refusal with these words.
func (e *Env) requireUnauthorized(answer *v2.Status, words string, about ...any) {
	require.Equal(e, v2.Code_UNAUTHORIZED, answer.GetCode(), about...)
	require.Equal(e, words, answer.GetMessage(), about...)
}

// noPermission is how the refusal of what a user may not do begins.
func noPermission(user, resource string) string {
	return "User:" + user + " has no permission to access " + resource + " from 127.0.0.1, "
}
