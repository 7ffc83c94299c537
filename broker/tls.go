package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// tlsHandshake is the first byte of a TLS connection; plaintext HTTP/2 begins with "PRI".
const tlsHandshake = 0x16

// sniffing takes plaintext and TLS on one port: the first byte of a connection tells which it is.
type sniffing struct {
	credentials.TransportCredentials // plaintext
	secure                           credentials.TransportCredentials
	secureOnly                       bool // plaintext is refused
}

// errPlaintext ends a connection that should have been one of TLS.
var errPlaintext = errors.New("broker: a connection in plaintext, where only TLS is taken")

func newSniffing(config *tls.Config, tlsOnly bool) *sniffing {
	if config == nil {
		config = selfSigned()
	}
	return &sniffing{insecure.NewCredentials(), credentials.NewTLS(config), tlsOnly}
}

// ServerHandshake is called by the gRPC server for each connection, from a goroutine of its own.
func (s *sniffing) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	shaken, info, err := s.sniff(conn)
	if err != nil {
		return nil, nil, err
	}
	return shaken, link{info, conn}, nil
}

func (s *sniffing) sniff(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	peeked := &peekedConn{Conn: conn}
	if _, err := conn.Read(peeked.first[:]); err != nil {
		return nil, nil, fmt.Errorf("broker: first byte of a connection: %w", err)
	}
	peeked.unread = true
	if peeked.first[0] == tlsHandshake {
		return s.secure.ServerHandshake(peeked)
	}
	if s.secureOnly {
		return nil, nil, errPlaintext
	}
	return s.TransportCredentials.ServerHandshake(ready(peeked))
}

// Clone gives credentials that do the same.
func (s *sniffing) Clone() credentials.TransportCredentials {
	return &sniffing{s.TransportCredentials.Clone(), s.secure.Clone(), s.secureOnly}
}

// A peekedConn gives its first byte again. Only one goroutine reads from it at a time.
type peekedConn struct {
	net.Conn
	first  [1]byte
	unread bool
}

// Read gives the byte that was peeked, then what follows.
func (c *peekedConn) Read(b []byte) (int, error) {
	if c.unread && len(b) > 0 {
		c.unread = false
		b[0] = c.first[0]
		return 1, nil
	}
	return c.Conn.Read(b)
}

// selfSigned makes a certificate for localhost when the first connection wants one.
func selfSigned() *tls.Config {
	certificate := sync.OnceValues(newCertificate)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate()
		},
	}
}

func newCertificate() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("broker: make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("broker: make a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
