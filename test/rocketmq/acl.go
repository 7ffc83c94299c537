package rocketmq

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // the signature of the protocol is an HMAC-SHA1
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"google.golang.org/grpc/metadata"
)

// Environment variables with the credentials of a user who may do everything, on a server that
// serves users alone.
const (
	AccessKeyVariable = "ROCKETMQ_ACCESS_KEY"
	SecretKeyVariable = "ROCKETMQ_SECRET_KEY"
)

// Credentials are what requests are signed with; none, if the name is empty.
type Credentials struct{ AccessKey, Secret string }

// Sign returns ctx with the headers of a signed request, or as it is if there are no credentials.
func (c Credentials) Sign(ctx context.Context) context.Context {
	if c.AccessKey == "" {
		return ctx
	}
	now := time.Now().UTC().Format("20060102T150405Z")
	mac := hmac.New(sha1.New, []byte(c.Secret))
	mac.Write([]byte(now))
	return metadata.AppendToOutgoingContext(ctx, "x-mq-date-time", now, "authorization",
		fmt.Sprintf("MQv2-HMAC-SHA1 Credential=%s, SignedHeaders=x-mq-date-time, Signature=%s", c.AccessKey, hex.EncodeToString(mac.Sum(nil))))
}

const authPackage = "org.apache.rocketmq.auth."

// addTo adds to the properties of the broker that it keeps users, and that there is this one. The
// broker itself asks nobody who he is, so that it can be administered.
func (c Credentials) addTo(broker map[string]string) error {
	if c.AccessKey == "" {
		return nil
	}
	user, err := json.Marshal(map[string]string{"username": c.AccessKey, "password": c.Secret})
	if err != nil {
		return fmt.Errorf("rocketmq: describe the first user: %w", err)
	}
	maps.Copy(broker, map[string]string{
		"authenticationMetadataProvider": authPackage + "authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationMetadataProvider":  authPackage + "authorization.provider.LocalAuthorizationMetadataProvider",
		"initAuthenticationUser":         string(user),
	})
	return nil
}

// guard adds to the configuration of a proxy that it serves users alone, whom it asks the broker for.
func (c Credentials) guard(proxy map[string]any) {
	if c.AccessKey == "" {
		return
	}
	maps.Copy(proxy, map[string]any{
		"authenticationEnabled":          true,
		"authenticationProvider":         authPackage + "authentication.provider.DefaultAuthenticationProvider",
		"authenticationMetadataProvider": "org.apache.rocketmq.proxy.auth.ProxyAuthenticationMetadataProvider",
		"authorizationEnabled":           true,
		"authorizationProvider":          authPackage + "authorization.provider.DefaultAuthorizationProvider",
		"authorizationMetadataProvider":  "org.apache.rocketmq.proxy.auth.ProxyAuthorizationMetadataProvider",
	})
}
