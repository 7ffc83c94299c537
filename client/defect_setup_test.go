package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

// The tests named after a defect are listed, with what the defect is, in docs/features.md.

func TestDefectA1_RequestsWriteNoFileAndNoBodyIsLogged(t *testing.T) {
	home, tmp := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("TMPDIR", tmp)
	var log bytes.Buffer
	onNetwork(t, single, func(n *network) {
		s := n.at(single[0])
		s.receive = frames(nil, statusFrame(ok()), messageFrame("a", func(m *v2.Message) { m.Body = []byte("sesame") }))
		p, c := n.producer(), n.consumer("orders")
		_, err := p.Send(n.Context(), message("orders", "sesame"))
		require.NoError(n, err)
		_, err = c.Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		s.script(func() {
			s.send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
				return nil, errors.New("out of order")
			}
		})
		_, err = p.Send(n.Context(), message("orders", "sesame"))
		require.ErrorIs(n, err, client.ErrInternal)
		n.stop(single[0])
		time.Sleep(time.Minute)
		require.NoError(n, n.client.Close())
	}, client.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	require.NotEmpty(t, log.String())
	require.NotContains(t, log.String(), "sesame")
	require.Empty(t, filesIn(t, home))
	require.Empty(t, filesIn(t, tmp))
}

// filesIn lists the files below a folder.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func TestDefectA2_LinkingTheClientOpensNoLogAndEachClientHasItsOwn(t *testing.T) {
	home := t.TempDir()
	linked := exec.Command(os.Args[0], "-test.run=^$") // this package, and so the client, is initialised
	linked.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	out, err := linked.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, filesIn(t, home))

	var first, second bytes.Buffer
	to := func(b *bytes.Buffer) client.Option { return client.WithLogger(slog.New(slog.NewTextHandler(b, nil))) }
	onNetwork(t, single, func(n *network) {
		other, err := client.New(single[0], client.WithPlaintext(), client.WithDialer(n.dial), to(&second))
		require.NoError(n, err)
		_, err = n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		n.stop(single[0])
		time.Sleep(time.Second)
		require.NoError(n, errors.Join(other.Close(), n.client.Close()))
	}, to(&first))
	require.Contains(t, first.String(), "session interrupted")
	require.Empty(t, second.String())
}

func TestDefectA3_EachClientHasItsOwnTLSAndVerifiesByDefault(t *testing.T) {
	own, pool := certificate(t)
	b := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	}))
	send := func(opts ...client.Option) error {
		c, err := client.New(b.Endpoint(), opts...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		p, err := c.NewProducer()
		require.NoError(t, err)
		_, err = p.Send(t.Context(), message("orders", "x"))
		return err
	}
	// All of them live at the same time, in one process.
	require.NoError(t, send(client.WithTLSConfig(&tls.Config{RootCAs: pool})))
	require.NoError(t, send(client.WithPlaintext()))
	err := send()
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.ErrorContains(t, err, "certificate")
	require.NoError(t, send(client.WithTLSConfig(&tls.Config{RootCAs: pool})))
}

// calls notes the methods that pass a connection.
type calls struct {
	mu      sync.Mutex
	methods map[string]bool
}

func (c *calls) note(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.methods[method] = true
}

func (c *calls) unary(ctx context.Context, method string, q, a any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.note(method)
	return invoke(ctx, method, q, a, cc, opts...)
}

func (c *calls) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c.note(method)
	return streamer(ctx, desc, cc, method, opts...)
}

func TestDefectA4_WhatIsSetForConnectionsTakesEffect(t *testing.T) {
	seen := &calls{methods: make(map[string]bool)}
	var n *network
	connect := func(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
		cc, err := grpc.NewClient("passthrough:///"+endpoint, grpc.WithContextDialer(n.dial),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithUnaryInterceptor(seen.unary), grpc.WithStreamInterceptor(seen.stream))
		return cc, cc, err
	}
	onNetwork(t, single, func(on *network) {
		n = on
		n.at(single[0]).receive = frames(nil, statusFrame(ok()), messageFrame("a", func(m *v2.Message) { m.Body = make([]byte, 5<<20) }))
		own, err := client.New(single[0], client.WithConnect(connect))
		require.NoError(n, err)
		p, err := own.NewProducer()
		require.NoError(n, err)
		_, err = p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.NoError(n, own.Close())
		for _, method := range []string{
			v2.MessagingService_QueryRoute_FullMethodName, v2.MessagingService_SendMessage_FullMethodName,
			v2.MessagingService_Telemetry_FullMethodName, v2.MessagingService_NotifyClientTermination_FullMethodName,
		} {
			require.True(n, seen.methods[method], method)
		}
		// What the client sets itself takes effect too: grpc alone refuses more than 4 MiB.
		got, err := n.consumer("orders").Receive(n.Context(), 1, time.Minute)
		require.NoError(n, err)
		require.Len(n, got[0].Body, 5<<20)
	})
}

func TestDefectA5_ABrokerThatCannotBeDialledHoldsUpNoOther(t *testing.T) {
	var n *network
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		if address == pair[1] { // packets to it vanish
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return n.dial(ctx, address)
	}
	onNetwork(t, pair, func(on *network) {
		n = on
		n.at(pair[0]).route = func(_ context.Context, q *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
			if topic := q.GetTopic().GetName(); topic == "bills" {
				return routeOver(topic, pair[1]), nil
			}
			return routeOver("orders", pair[0]), nil
		}
		p := n.producer(client.WithMaxAttempts(1))
		lost := make(chan error, 1)
		go func() {
			_, err := p.Send(n.Context(), message("bills", "x"))
			lost <- err
		}()
		start := time.Now()
		for range 100 {
			_, err := p.Send(n.Context(), message("orders", "x"))
			require.NoError(n, err)
		}
		require.Zero(n, time.Since(start))
		require.ErrorIs(n, <-lost, client.ErrUnavailable)
	}, client.WithDialer(dial))
}

// contexts keeps those of the calls that pass it.
type contexts struct {
	instant
	mu   sync.Mutex
	kept []context.Context
}

func (c *contexts) Invoke(ctx context.Context, method string, q, a any, opts ...grpc.CallOption) error {
	c.mu.Lock()
	c.kept = append(c.kept, ctx)
	c.mu.Unlock()
	return c.instant.Invoke(ctx, method, q, a, opts...)
}

func TestDefectA6_TheContextOfARequestEndsWithIt(t *testing.T) {
	conn := &contexts{instant: instant{routeOver("orders", single...)}}
	p := producerOver(t, conn)
	for range 5 {
		_, err := p.Send(t.Context(), message("orders", "x"))
		require.NoError(t, err)
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	require.GreaterOrEqual(t, len(conn.kept), 6, "the query of the route and five messages")
	for _, ctx := range conn.kept {
		require.Error(t, ctx.Err(), "or its timer lives on until the timeout")
	}
}

// What a user can implement, such as an interceptor, a user can also write a fake of.
func TestDefectA7_NoExportedInterfaceHidesAMethod(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset, checked := token.NewFileSet(), 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, source, nil, 0)
		require.NoError(t, err)
		checked++
		ast.Inspect(file, func(node ast.Node) bool {
			spec, isType := node.(*ast.TypeSpec)
			if !isType || !spec.Name.IsExported() || strings.HasSuffix(spec.Name.Name, "Option") {
				return true // options are made by this package alone
			}
			if face, isInterface := spec.Type.(*ast.InterfaceType); isInterface {
				for _, method := range face.Methods.List {
					for _, name := range method.Names {
						require.True(t, name.IsExported(), "%s.%s", spec.Name.Name, name.Name)
					}
				}
			}
			return true
		})
	}
	require.Greater(t, checked, 20)
}

func TestDefectA8_TheClientDependsOnLittle(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	out, err := list.Output()
	require.NoError(t, err)
	allowed := map[string]bool{
		"github.com/rocketflow-io/rocketflow": true, "github.com/apache/rocketmq-clients/golang/v5": true,
		"google.golang.org/grpc": true, "google.golang.org/protobuf": true, "google.golang.org/genproto/googleapis/rpc": true,
		"golang.org/x/net": true, "golang.org/x/sys": true, "golang.org/x/text": true,
		"github.com/cenkalti/backoff/v4": true,
		// What is received is compressed in whatever way its producer, or the broker, has chosen.
		"github.com/klauspost/compress": true, "github.com/pierrec/lz4/v4": true,
		// Of OpenTelemetry the API alone, with the hash that its attributes use.
		"go.opentelemetry.io/otel": true, "go.opentelemetry.io/otel/metric": true, "go.opentelemetry.io/otel/trace": true,
		"github.com/cespare/xxhash/v2": true,
	}
	for _, module := range strings.Fields(string(out)) {
		require.True(t, allowed[module], "the client has come to need %s", module)
	}
}
