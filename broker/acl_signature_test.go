package broker_test

import (
	"context"
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestACL_ServesOnlyWhoSigns(t *testing.T) {
	good := signatureOf("toor")
	tests := map[string]struct{ header, text string }{
		"no header":                    {"", "username cannot be null."},
		"signed":                       {"MQv2-HMAC-SHA1 Credential=root, SignedHeaders=x-mq-date-time, Signature=" + good, "OK"},
		"with region and service":      {"MQv2-HMAC-SHA1 Credential=root/cn/mq, Signature=" + good, "OK"},
		"another scheme, other order":  {"Basic Signature=" + good + ",Credential=root", "OK"},
		"one token":                    {"MQv2-HMAC-SHA1", "authentication header is incorrect."},
		"item without value":           {"MQv2-HMAC-SHA1 Credential", "authentication keyValues length is incorrect, actual length=1."},
		"no items":                     {"MQv2-HMAC-SHA1 ", "authentication keyValues length is incorrect, actual length=1."},
		"no user":                      {"MQv2-HMAC-SHA1 Signature=" + good, "username cannot be null."},
		"empty user":                   {"MQv2-HMAC-SHA1 Credential=/cn, Signature=" + good, "username cannot be null."},
		"slashes for a user":           {"MQv2-HMAC-SHA1 Credential=//, Signature=" + good, "authentication credential length is incorrect, actual length=0."},
		"signature that is not hex":    {"MQv2-HMAC-SHA1 Credential=nobody, Signature=xyz", "create authentication context error."},
		"unknown user":                 {"MQv2-HMAC-SHA1 Credential=nobody, Signature=" + good, "User:nobody is not found."},
		"disabled user":                {"MQv2-HMAC-SHA1 Credential=away, Signature=" + signatureOf("gone"), "User:away is disabled."},
		"disabled user, wrong secret":  {"MQv2-HMAC-SHA1 Credential=away, Signature=" + good, "User:away is disabled."},
		"wrong secret":                 {"MQv2-HMAC-SHA1 Credential=root, Signature=" + signatureOf("root"), "check signature failed."},
		"no signature":                 {"MQv2-HMAC-SHA1 Credential=root", "check signature failed."},
		"the beginning of a signature": {"MQv2-HMAC-SHA1 Credential=root, Signature=" + good[:8], "check signature failed."},
		"signature in capitals":        {"MQv2-HMAC-SHA1 Credential=root, Signature=" + strings.ToUpper(good), "OK"},
	}
	guarded(t, func(r *rig) {
		for name, test := range tests {
			r.ctx = as("client")
			if test.header != "" {
				r.ctx = withHeader(r.ctx, test.header)
			}
			st, _ := r.route("N")
			r.Equal(test.text, st.GetMessage(), name)
			if test.text != "OK" {
				r.Equal(v2.Code_UNAUTHORIZED, st.GetCode(), name)
			}
		}
	}, broker.User{Name: "away", Secret: "gone", Disabled: true, Super: true})
}

func TestACL_WantsTheTimeThatIsSigned(t *testing.T) {
	guarded(t, func(r *rig) {
		r.ctx = metadata.AppendToOutgoingContext(as("client"), "authorization", "MQv2-HMAC-SHA1 Credential=root, Signature="+signatureOf("toor"))
		st, _ := r.route("N")
		r.Equal("datetime is null.", st.GetMessage())
		r.ctx = metadata.AppendToOutgoingContext(r.ctx, "x-mq-date-time", "20260102T030405Z")
		st, _ = r.route("N")
		r.Equal("check signature failed.", st.GetMessage())
	})
}

// Who asks comes first: a stranger does not learn what else is amiss.
func TestACL_ComesBeforeAllOtherChecks(t *testing.T) {
	guarded(t, func(r *rig) {
		answer, err := r.stub.QueryRoute(context.Background(), &v2.QueryRouteRequest{Topic: resource("missing")})
		r.NoError(err)
		r.Equal(v2.Code_UNAUTHORIZED, answer.GetStatus().GetCode())
		anonymous := withHeader(context.Background(), "MQv2-HMAC-SHA1 Credential=root, Signature="+signatureOf("toor"))
		answer, err = r.stub.QueryRoute(anonymous, &v2.QueryRouteRequest{Topic: resource("missing")})
		r.NoError(err)
		r.Equal(v2.Code_CLIENT_ID_REQUIRED, answer.GetStatus().GetCode())
	})
}
