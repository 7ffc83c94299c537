package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
)

func TestWithTLSConfig_SetsWhatIsVerifiedAndShown(t *testing.T) {
	server, roots := certificate(t)
	own, ownRoots := certificate(t)
	other, _ := certificate(t)
	open := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{server}}
	}))
	mutual := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{server},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ownRoots,
		}
	}))
	for name, c := range map[string]struct {
		broker *broker.Broker
		config *tls.Config
		says   string
	}{
		"other roots":            {open, &tls.Config{RootCAs: roots}, ""},
		"another name":           {open, &tls.Config{RootCAs: roots, ServerName: "proxy.example.com"}, "certificate"},
		"its name":               {open, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}, ""},
		"nothing verified":       {open, &tls.Config{InsecureSkipVerify: true}, ""},
		"client's certificate":   {mutual, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}}, ""},
		"no certificate":         {mutual, &tls.Config{RootCAs: roots}, "unreachable"},
		"a stranger's":           {mutual, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{other}}, "unreachable"},
		"roots of another place": {open, &tls.Config{RootCAs: ownRoots}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTCPClient(t, c.broker, client.WithTLSConfig(c.config))
			_, err := p.Send(t.Context(), message("orders", "x"))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, client.ErrUnavailable)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWithTLSConfig_KeepsACopy(t *testing.T) {
	server, roots := certificate(t)
	b := brokertest.New(t, standard, brokertest.OnTCP(), brokertest.With(func(o *broker.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{server}}
	}))
	settings := &tls.Config{RootCAs: roots}
	p := newTCPClient(t, b, client.WithTLSConfig(settings))
	settings.RootCAs = nil
	_, err := p.Send(t.Context(), message("orders", "x"))
	require.NoError(t, err)
}

// A cluster with a certificate authority of its own, which wants to see certificates of its clients.
func ExampleWithTLSConfig() {
	var authority []byte // PEM, as from os.ReadFile("ca.pem")
	roots, err := x509.SystemCertPool()
	if err != nil {
		fmt.Println(err)
		return
	}
	roots.AppendCertsFromPEM(authority)
	var own tls.Certificate // as from tls.LoadX509KeyPair("client.pem", "client-key.pem")
	c, err := client.New("rocketmq.example.com:8081", client.WithTLSConfig(&tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{own},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Close())
	// Output: <nil>
}
