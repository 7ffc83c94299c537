package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestNew_ReportsAllFaults(t *testing.T) {
	_, err := client.New("host:0", client.WithCredentials("a,b", "s"), client.WithPlaintext(),
		client.WithTLSConfig(&tls.Config{}), client.WithRequestTimeout(-1), client.WithLogger(nil))
	for _, text := range []string{
		`"host:0"`, "not between 1 and 65535", "write host:port", "comma or a slash", "WithPlaintext: excludes", "WithRequestTimeout", "WithLogger",
	} {
		require.ErrorContains(t, err, text)
	}
	var option *client.OptionError
	require.ErrorAs(t, err, &option)
	for _, opts := range [][]client.Option{
		{client.WithCredentials("a", "")},
		{client.WithCredentials("a", "b\n")},
		{client.WithCredentials("a", "b"), client.WithSessionToken("t\n")},
		{client.WithNamespace("ns\n")},
		{client.WithSessionToken("t")},
		{client.WithCredentials("a", "b"), client.WithCredentialsFunc(func(context.Context) (client.Credentials, error) { return client.Credentials{}, nil })},
		{client.WithPlaintext(), client.WithConnect(func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) { return nil, nil, nil })},
	} {
		_, err := client.New("host:1", opts...)
		require.ErrorAs(t, err, &option)
	}
}

func TestNew_SendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New("10.0.0.1:1", client.WithDialer(func(context.Context, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, io.EOF
		}))
		require.NoError(t, err)
		_, err = c.NewProducer(client.WithTopics("orders"))
		require.NoError(t, err)
		_, err = c.NewSimpleConsumer("G", map[string]client.Filter{"orders": client.All()})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, c.Close())
	})
}

func TestCredentials_HideTheirSecret(t *testing.T) {
	c := client.Credentials{AccessKey: "ak", Secret: "sesame", SessionToken: "sesame"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, c), "sesame")
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("starting", "credentials", c)
	require.Contains(t, log.String(), "ak")
	require.NotContains(t, log.String(), "sesame")
}

func TestWithConnect_CarriesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.New(t, standard)
		var endpoints []string
		c, err := client.New(b.Endpoint(), client.WithConnect(func(_ context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error) {
			endpoints = append(endpoints, endpoint)
			cc, err := grpc.NewClient("passthrough:///"+endpoint, grpc.WithContextDialer(b.Dialer()),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			return cc, cc, err
		}))
		require.NoError(t, err)
		p, err := c.NewProducer()
		require.NoError(t, err)
		_, err = p.Send(t.Context(), message("orders", "x"))
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Equal(t, []string{b.Endpoint()}, endpoints, "one connection for all")
	})
}

// certificate makes one for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS_VerifiesTheServerUnlessToldOtherwise(t *testing.T) {
	own, pool := certificate(t)
	b := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	}))
	for name, c := range map[string]struct {
		option client.Option
		says   string
	}{
		"trusted":     {client.WithTLSConfig(&tls.Config{RootCAs: pool}), ""},
		"not trusted": {client.WithTLSConfig(nil), "certificate"},
		"plaintext":   {client.WithPlaintext(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := client.New(b.Endpoint(), c.option)
			require.NoError(t, err)
			defer func() { require.NoError(t, cl.Close()) }()
			p, err := cl.NewProducer()
			require.NoError(t, err)
			_, err = p.Send(t.Context(), message("orders", "x"))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, client.ErrUnavailable)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWithLogger_TellsOfABrokenSessionOnce(t *testing.T) {
	var log bytes.Buffer
	onNetwork(t, single, func(n *network) {
		_, err := n.consumer("orders").Settings(n.Context())
		require.NoError(n, err)
		n.stop(single[0])
		time.Sleep(5 * time.Second)
		require.NoError(n, n.client.Close()) // which waits for all who could write
		require.Equal(n, 1, bytes.Count(log.Bytes(), []byte("session interrupted")))
	}, client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}
