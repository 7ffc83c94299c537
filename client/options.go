package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

// DefaultRequestTimeout is how long one request may take unless [WithRequestTimeout] says otherwise.
const DefaultRequestTimeout = 3 * time.Second

// Option adjusts a [Client].
type Option func(*config)

// ConnectFunc makes the connection to an endpoint, which is "host:port", or several of them
// separated by semicolons, as written at [New] or in a route. The closer may be nil.
type ConnectFunc func(ctx context.Context, endpoint string) (grpc.ClientConnInterface, io.Closer, error)

// DialFunc makes the network connection to an address, which is "host:port".
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

type config struct {
	credentials    Credentials
	provider       CredentialsFunc
	namespace      string
	tls            *tls.Config
	plaintext      bool
	connect        ConnectFunc
	dial           DialFunc
	log            *slog.Logger
	interceptors   []Interceptor
	meters         metric.MeterProvider
	tracers        trace.TracerProvider
	export         ExportFunc
	rewrite        func(address string) string
	properties     map[string]string
	requestTimeout time.Duration
}

func newConfig(opts []Option) (config, error) {
	c := config{log: slog.New(slog.DiscardHandler), requestTimeout: DefaultRequestTimeout}
	for _, opt := range opts {
		opt(&c)
	}
	return c, c.validate()
}

// validate reports all faults together.
func (c *config) validate() error {
	faults := []error{c.credentials.check("WithCredentials")}
	report := func(bad bool, option, problem string) {
		if bad {
			faults = append(faults, &OptionError{option, problem})
		}
	}
	report(c.provider != nil && c.credentials.signs(), "WithCredentialsFunc", "excludes WithCredentials")
	report(c.credentials.SessionToken != "" && !c.credentials.signs(), "WithSessionToken", "needs WithCredentials")
	report(!printable(c.namespace), "WithNamespace", "has a character other than printable ASCII")
	report(c.plaintext && c.tls != nil, "WithPlaintext", "excludes WithTLSConfig")
	report(c.connect != nil && (c.plaintext || c.tls != nil || c.dial != nil), "WithConnect",
		"excludes WithTLSConfig, WithPlaintext and WithDialer: it makes the connection itself")
	report(c.log == nil, "WithLogger", "the logger is nil")
	if problem := checkProperties(c.properties); problem != "" {
		report(true, "WithProperties", problem)
	}
	report(c.requestTimeout <= 0, "WithRequestTimeout", "the timeout must be positive")
	return errors.Join(faults...)
}

// WithCredentials signs every request with the key and the secret. The default is not to sign. One
// of the two without the other, a comma or slash in the key, or a control character, fails at [New].
func WithCredentials(accessKey, secret string) Option {
	return func(c *config) { c.credentials.AccessKey, c.credentials.Secret = accessKey, secret }
}

// WithSessionToken adds the token of temporary credentials to [WithCredentials], without which it
// fails at [New].
func WithSessionToken(token string) Option {
	return func(c *config) { c.credentials.SessionToken = token }
}

// WithCredentialsFunc signs with credentials that change, such as temporary ones that are renewed.
// It excludes [WithCredentials].
func WithCredentialsFunc(credentials CredentialsFunc) Option {
	return func(c *config) { c.provider = credentials }
}

// WithNamespace sends the namespace with every topic and group. The default is none. Servers outside
// clouds ignore it.
func WithNamespace(namespace string) Option {
	return func(c *config) { c.namespace = namespace }
}

// WithAddressRewrite has the client reach brokers at other addresses than those that routes name, as it
// must where it sees the servers through a port that is forwarded, or from outside their network. The
// function is given each address as "host:port" and returns one, the same to leave it. It is called
// with each answer of a route, from several goroutines, and should be quick. A broker whose address
// it makes nonsense of is left out, with a warning. The endpoints given to [New] are not rewritten.
func WithAddressRewrite(rewrite func(address string) string) Option {
	return func(c *config) { c.rewrite = rewrite }
}

// WithTLSConfig sets how connections are secured. The default, and nil, is TLS that verifies each server
// by its own host name or address, against the roots of the system. RootCAs trusts other roots;
// Certificates is what the client shows of itself where servers ask for it; ServerName verifies all
// servers by one name; InsecureSkipVerify verifies nothing, and is for tests alone. The settings are
// this client's: it keeps a copy. They exclude [WithPlaintext].
func WithTLSConfig(settings *tls.Config) Option {
	return func(c *config) { c.tls = settings.Clone() }
}

// WithPlaintext turns TLS off, for a server inside a trusted network. Message bodies and signatures
// can then be read by whoever can listen; secrets themselves are never sent.
func WithPlaintext() Option {
	return func(c *config) { c.plaintext = true }
}

// WithLogger sets where the client reports what no call can return, such as a broken session. The
// default discards it. No message body and no secret is logged.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) { c.log = log }
}

// WithRequestTimeout bounds each single request to the server, and, on top of the time it may wait
// for messages, each poll. The default is [DefaultRequestTimeout]. A call that retries may take
// several times as long; its context bounds the whole.
func WithRequestTimeout(d time.Duration) Option {
	return func(c *config) { c.requestTimeout = d }
}

// WithConnect replaces the making of connections altogether, so that anything that carries grpc
// calls can stand behind it, such as handlers in the same process. It is called once for each
// endpoint, and again after a failure.
func WithConnect(connect ConnectFunc) Option {
	return func(c *config) { c.connect = connect }
}

// WithDialer replaces the network below grpc, such as by one in memory. TLS stays on unless
// [WithPlaintext] turns it off. Host names are handed to the dialer as they are.
func WithDialer(dial DialFunc) Option {
	return func(c *config) { c.dial = dial }
}
