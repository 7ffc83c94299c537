package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
)

// asCommand in the environment makes the test's program the command itself.
const asCommand = "ROCKETFLOW_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRun_RefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"no command", nil, "rocketflow broker"},
		{"unknown command", []string{"broke"}, `no command "broke"`},
		{"unknown flag", []string{"broker", "-colour"}, "-colour"},
		{"an argument", []string{"broker", "orders"}, `"orders" is no flag`},
		{"port out of range", []string{"broker", "-port", "70000"}, "between 0 and 65535"},
		{"all interfaces in plaintext", []string{"broker", "-host", "0.0.0.0"}, "-allow-plaintext"},
		{"a name that is not loopback", []string{"broker", "-host", "example.org"}, "-allow-plaintext"},
		{"status page for all", []string{"broker", "-status", ":8082"}, "-allow-plaintext"},
		{"status without port", []string{"broker", "-status", "localhost"}, "name a host and a port"},
		{"certificate without key", []string{"broker", "-tls-cert", "x"}, "go together"},
		{"unknown type", []string{"broker", "-topic", "t:BLUE"}, "must be one of NORMAL, FIFO"},
		{"queues that are none", []string{"broker", "-topic", "t:FIFO:zero"}, `"zero" queues`},
		{"more than a topic", []string{"broker", "-topic", "t:FIFO:1:2"}, "NAME:TYPE:QUEUES"},
		{"a user without a secret", []string{"broker", "-user", "alice"}, "NAME:SECRET"},
		{"a pattern that is none", []string{"broker", "-fifo-group", "[a"}, "syntax error in pattern"},
		{"unknown kind of group", []string{"broker", "-group", "g:sorted"}, `"sorted"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			require.Equal(t, exitUsage, run(t.Context(), c.args, &out, &errOut))
			require.Contains(t, errOut.String(), c.says)
			require.Empty(t, out.String())
			first, _, _ := strings.Cut(errOut.String(), "\n")
			require.Equal(t, 1, strings.Count(errOut.String(), first), "it is said once")
		})
	}
}

func TestRun_SaysWhyTheBrokerDoesNotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"port taken", []string{"-port", port}, port},
		{"status port taken", []string{"-port", "0", "-status", taken.Addr().String()}, "-status"},
		{"bad topic", []string{"-port", "0", "-topic", "a b"}, "illegal characters"},
		{"no certificate", []string{"-tls-cert", filepath.Join(t.TempDir(), "none"), "-tls-key", "none"}, "no such file"},
		{"unknown quirk", []string{"-port", "0", "-quirk", "moody"}, "moody"},
		{"no file of users", []string{"-port", "0", "-users", filepath.Join(t.TempDir(), "none")}, "no such file"},
		{"a directory that is a file", []string{"-port", "0", "-dir", os.Args[0]}, os.Args[0]},
		{"bad advertised address", []string{"-port", "0", "-advertise", "here"}, "name a host and a port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			require.Equal(t, exitFailed, run(t.Context(), append([]string{"broker", "-status", ""}, c.args...), &out, &errOut))
			require.Contains(t, errOut.String(), c.says)
		})
	}
}

func TestRun_Helps(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"help"}, &out, &errOut))
	require.Contains(t, out.String(), "rocketflow broker")
	require.Equal(t, exitOK, run(t.Context(), []string{"broker", "-h"}, &out, &errOut))
	require.Contains(t, errOut.String(), "-auto-create")
}

// A process is the command, run as a process of its own.
type process struct {
	*testing.T
	cmd      *exec.Cmd
	endpoint string
	errOut   *output
}

// An output is what a process has written, for those who read it while it
// goes on writing.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{T: t, cmd: exec.Command(self, append([]string{"broker"}, args...)...), errOut: new(output)}
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	p.cmd.Stderr = p.errOut
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // has ended, unless the test fails
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the endpoint; it said: %s", p.errOut)
	p.endpoint = strings.TrimSpace(line)
	return p
}

// interrupt is Ctrl-C.
func (p *process) interrupt() {
	require.NoError(p, p.cmd.Process.Signal(syscall.SIGINT))
	require.NoError(p, p.cmd.Wait(), "it said: %s", p.errOut)
}

func TestBroker_ServesOtherProcessesUntilItIsInterrupted(t *testing.T) {
	p := startProcess(t, "-port", "0", "-status", "127.0.0.1:0", "-topic", "orders:FIFO:4", "-group", "shop:ordered")
	c, err := client.New(p.endpoint, client.WithPlaintext())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	producer, err := c.NewProducer()
	require.NoError(t, err)
	_, err = producer.Send(t.Context(), &client.Message{Topic: "orders", Body: []byte("one"), MessageGroup: "g"})
	require.NoError(t, err)
	consumer, err := c.NewSimpleConsumer("shop", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	got, err := consumer.Receive(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	require.Len(t, got, 1)

	require.Eventually(t, func() bool { return strings.Contains(p.errOut.String(), "http://") },
		time.Minute, 10*time.Millisecond, "the address of the status page")
	page := "http://" + between(p.errOut.String(), "http://", "/")
	var s status
	require.NoError(t, json.Unmarshal([]byte(fetch(t, page+"/status.json")), &s))
	require.Equal(t, []topicStatus{{"orders", "FIFO", 4, 1}}, s.Topics)
	require.Equal(t, []groupStatus{{"shop", true, "orders", 1, 1, 0, 0}}, s.Groups)
	require.Len(t, s.Clients, 2)
	require.Equal(t, p.endpoint, s.Endpoint)
	require.Positive(t, s.Connections)
	require.Equal(t, "ok\n", fetch(t, page+"/healthz"))
	html := fetch(t, page+"/")
	for _, part := range []string{`http-equiv="refresh"`, "orders", "shop (ordered)", "PRODUCER"} {
		require.Contains(t, html, part)
	}

	require.NoError(t, consumer.Ack(t.Context(), got...))
	require.NoError(t, c.Close())
	p.interrupt()
}

func TestBroker_TakesTLSOnlyWithACertificate(t *testing.T) {
	cert, key := certificate(t)
	p := startProcess(t, "-port", "0", "-status", "", "-tls-cert", cert, "-tls-key", key)
	send := func(options ...client.Option) error {
		c, err := client.New(p.endpoint, options...)
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		producer, err := c.NewProducer()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = producer.Send(ctx, &client.Message{Topic: "orders", Body: []byte("one")})
		return err
	}
	require.NoError(t, send(client.WithTLSConfig(&tls.Config{InsecureSkipVerify: true})))
	require.ErrorIs(t, send(client.WithPlaintext()), client.ErrUnavailable)
	p.interrupt()
	require.NotContains(t, p.errOut.String(), "http://")
}

func TestBroker_ServesItsUsersAlone(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users.json")
	require.NoError(t, os.WriteFile(users, []byte(`[{
		"name": "reader", "secret": "r", "policies": [{"resource": "Topic:orders", "actions": ["Sub"]}]
	}]`), 0o600))
	p := startProcess(t, "-port", "0", "-status", "", "-user", "alice:secret", "-users", users)
	send := func(name, secret string) error {
		c, err := client.New(p.endpoint, client.WithPlaintext(), client.WithCredentials(name, secret))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		producer, err := c.NewProducer()
		require.NoError(t, err)
		_, err = producer.Send(t.Context(), &client.Message{Topic: "orders", Body: []byte("one")})
		return err
	}
	require.NoError(t, send("alice", "secret"))
	require.ErrorIs(t, send("alice", "guess"), client.ErrUnauthorized)
	require.ErrorIs(t, send("reader", "r"), client.ErrUnauthorized)
	p.interrupt()
}

func TestBroker_ComesBackWithWhatItsDirectoryHolds(t *testing.T) {
	directory := t.TempDir()
	flags := []string{"-port", "0", "-status", "", "-dir", directory}
	p := startProcess(t, flags...)
	p.sendOne()
	p.interrupt()
	p = startProcess(t, append(flags, "-fifo-group", "*-fifo", "-quirk", "local")...)
	c, err := client.New(p.endpoint, client.WithPlaintext())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	consumer, err := c.NewSimpleConsumer("shop-fifo", map[string]client.Filter{"orders": client.All()})
	require.NoError(t, err)
	settings, err := consumer.Settings(t.Context())
	require.NoError(t, err)
	require.True(t, settings.FIFO)
	got, err := consumer.Receive(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "one", string(got[0].Body))
	require.NoError(t, c.Close())
	p.interrupt()
}

func (p *process) sendOne() {
	c, err := client.New(p.endpoint, client.WithPlaintext())
	require.NoError(p, err)
	defer func() { require.NoError(p, c.Close()) }()
	producer, err := c.NewProducer()
	require.NoError(p, err)
	_, err = producer.Send(p.Context(), &client.Message{Topic: "orders", Body: []byte("one")})
	require.NoError(p, err)
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}
