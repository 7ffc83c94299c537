package rocketmq

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

func TestConfig_GuardsTheProxiesIfThereIsAUser(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		c := config{dir: t.TempDir(), ports: ports{proxies: make([]proxyPorts, 1)}}
		if guarded {
			c.super = Credentials{AccessKey: "root", Secret: "toor"}
		}
		require.NoError(t, c.write())
		text, err := os.ReadFile(filepath.Join(c.dir, "proxy.json"))
		require.NoError(t, err)
		var proxy map[string]any
		require.NoError(t, json.Unmarshal(text, &proxy))
		require.Equal(t, guarded, proxy["authenticationEnabled"] == true)
		require.Equal(t, guarded, proxy["authorizationEnabled"] == true)
		broker, err := os.ReadFile(filepath.Join(c.dir, "broker.conf"))
		require.NoError(t, err)
		const user = `initAuthenticationUser={"password":"toor","username":"root"}`
		require.Equal(t, guarded, strings.Contains(string(broker), user))
	}
}

func TestCredentials_SignOnlyIfThereAreAny(t *testing.T) {
	_, signed := metadata.FromOutgoingContext(Credentials{}.Sign(t.Context()))
	require.False(t, signed)
	md, _ := metadata.FromOutgoingContext(Credentials{"root", "toor"}.Sign(t.Context()))
	require.NotEmpty(t, md.Get("x-mq-date-time"))
	require.Regexp(t, "^MQv2-HMAC-SHA1 Credential=root, SignedHeaders=x-mq-date-time, Signature=[0-9a-f]{40}$", md.Get("authorization")[0])
}

func TestEnv_HasTheCredentialsOfAGuardedServer(t *testing.T) {
	s := &Server{ports: ports{proxies: make([]proxyPorts, 1)}, super: Credentials{"root", "toor"}}
	require.Subset(t, s.Env(), []string{"ROCKETMQ_ACCESS_KEY=root", "ROCKETMQ_SECRET_KEY=toor"})
	s.super = Credentials{}
	require.Len(t, s.Env(), 4)
}
