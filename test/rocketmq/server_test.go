package rocketmq

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart_NamesWhatToInstallWhenAProgramIsMissing(t *testing.T) {
	options := Options{Mode: Local, Log: slog.New(slog.DiscardHandler)}
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	t.Setenv(LibraryVariable, filepath.Join(bin, "no", "jars"))

	_, err := Start(t.Context(), options)
	require.ErrorContains(t, err, "install a Java 17 runtime")

	program(t, bin, "java", "exit 0")
	_, err = Start(t.Context(), options)
	require.ErrorContains(t, err, "install Maven")
}

func TestStart_RefusesAModeThatItDoesNotKnow(t *testing.T) {
	_, err := Start(t.Context(), Options{Mode: "both", Log: slog.New(slog.DiscardHandler)})
	require.EqualError(t, err, `rocketmq: start mode "both": want "local" or "cluster"`)
}

func TestStart_RefusesSeveralProxiesInModeLocal(t *testing.T) {
	_, err := Start(t.Context(), Options{Mode: Local, Proxies: 2, Log: slog.New(slog.DiscardHandler)})
	require.EqualError(t, err, "rocketmq: start 2 proxies: mode local has one")
}

func TestKillProxy_RefusesWhatItCannotKill(t *testing.T) {
	local := &Server{mode: Local, ports: ports{proxies: make([]proxyPorts, 1)}}
	require.ErrorContains(t, local.KillProxy(0), "start the server in mode cluster")
	require.ErrorContains(t, local.StartProxy(t.Context(), 0), "start the server in mode cluster")
	cluster := &Server{mode: Cluster, ports: ports{proxies: make([]proxyPorts, 2)}}
	require.ErrorContains(t, cluster.KillProxy(1), "kill the proxy: the proxy-1 is not there")
	require.ErrorContains(t, cluster.KillProxy(2), "there is no proxy 2")
	require.ErrorContains(t, cluster.StartProxy(t.Context(), -1), "there is no proxy -1")
}

func TestKillBroker_RefusesWhatItCannotKill(t *testing.T) {
	local := &Server{mode: Local}
	require.ErrorContains(t, local.KillBroker(), "start the server in mode cluster")
	require.ErrorContains(t, local.StartBroker(t.Context()), "start the server in mode cluster")
	require.ErrorContains(t, (&Server{mode: Cluster}).KillBroker(), "it is not there")
}

// A server that ends at once must not be waited for, and must not leave its folder behind.
func TestStart_ShowsTheLogOfAProcessThatEnds(t *testing.T) {
	bin, lib, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	program(t, bin, "java", "echo cannot bind; exit 3")
	require.NoError(t, os.WriteFile(filepath.Join(lib, "rocketmq-proxy-"+Version+".jar"), nil, 0o644))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(LibraryVariable, lib)
	t.Setenv("TMPDIR", tmp)

	_, err := Start(t.Context(), Options{Mode: Local, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "wait for the name server: the namesrv has ended: exit status 3")
	require.ErrorContains(t, err, "cannot bind")
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestStart_EndsWithItsContextAndLeavesNoProcess(t *testing.T) {
	bin, lib, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	program(t, bin, "java", "exec sleep 600")
	require.NoError(t, os.WriteFile(filepath.Join(lib, "rocketmq-proxy-"+Version+".jar"), nil, 0o644))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(LibraryVariable, lib)
	t.Setenv("TMPDIR", tmp)

	ctx, cancel := context.WithCancel(t.Context())
	log := slog.New(slog.NewTextHandler(writerFunc(func() { cancel() }), nil)) // at the first line: the start
	_, err := Start(ctx, Options{Mode: Cluster, Log: log})
	require.ErrorIs(t, err, context.Canceled)
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestConfig_TellsEachProgramItsPorts(t *testing.T) {
	c := config{dir: t.TempDir(), ports: ports{namesrv: 1, broker: 10, proxies: []proxyPorts{{3, 4}, {5, 6}}}}
	require.NoError(t, c.write())
	lines, err := os.ReadFile(c.path("broker.conf"))
	require.NoError(t, err)
	for _, line := range []string{"listenPort=10", "haListenPort=11", "namesrvAddr=127.0.0.1:1", "brokerIP1=127.0.0.1", "recallMessageEnable=true"} {
		require.Contains(t, strings.Split(string(lines), "\n"), line)
	}
	for name, ports := range map[string]string{
		"proxy.json":   `"grpcServerPort": 3, "remotingListenPort": 4`,
		"proxy-1.json": `"grpcServerPort": 5, "remotingListenPort": 6`,
	} {
		proxy, err := os.ReadFile(c.path(name))
		require.NoError(t, err)
		require.JSONEq(t, `{"rocketMQClusterName": "DefaultCluster", "namesrvAddr": "127.0.0.1:1", "useEndpointPortFromRequest": true, `+ports+`}`, string(proxy))
	}
}

func TestFreePorts_AreAllDifferentAndNoneOfAnOutgoingConnection(t *testing.T) {
	p, err := freePorts(2)
	require.NoError(t, err)
	require.Len(t, p.proxies, 2)
	seen := map[int]bool{}
	for _, port := range []int{
		p.namesrv, p.broker, p.broker - 2, p.broker + 1,
		p.proxies[0].grpc, p.proxies[0].remoting, p.proxies[1].grpc, p.proxies[1].remoting,
	} {
		require.Positive(t, port)
		require.Less(t, port, 32_768)
		require.False(t, seen[port], "port %s twice", strconv.Itoa(port))
		seen[port] = true
	}
}

func TestLastLines(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"fewer":  {"a\nb\n", "a\nb"},
		"more":   {"a\nb\nc\nd\n", "c\nd"},
		"none":   {"", ""},
		"no end": {"a\nb\nc", "b\nc"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, string(lastLines([]byte(test.text), 2)))
		})
	}
}

// program puts a shell script in a folder.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}
