package client

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // HMAC-SHA1 is the protocol's signature
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"
)

const (
	// protocolVersion is announced as the version of this client. Servers compare it as text, to
	// know which codes a client understands.
	protocolVersion = "5.5.0"

	dateTimeLayout  = "20060102T150405Z"
	headerRequestID = "x-mq-request-id"
)

// A signer makes the headers of requests. It is shared by all that one Client owns.
type signer struct {
	credentials CredentialsFunc
	option      string // which gave the credentials
	renewable   bool   // credentials may return others when asked again
	namespace   string
	requests    requestIDs
}

func newSigner(c *config) *signer {
	s := &signer{credentials: c.provider, option: "WithCredentialsFunc", renewable: c.provider != nil,
		namespace: c.namespace, requests: newRequestIDs()}
	if s.credentials == nil {
		s.option = "WithCredentials"
		fixed := c.credentials
		s.credentials = func(context.Context) (Credentials, error) { return fixed, nil }
	}
	return s
}

// An identity is one client as the server counts them: that is, one client id. Its headers are the
// same for all requests within a second but for the request id, since the signature covers only the
// time, so they are kept for that second.
type identity struct {
	id      string
	signer  *signer
	timeout time.Duration                 // of one request
	cached  atomic.Pointer[signedHeaders] // stored by whoever finds it out of date
}

type signedHeaders struct {
	second int64
	pairs  []string // name, value, name, value …; never changed: requests share them
}

// sign returns ctx with the headers of one request, and the id of that request. What ctx carried for
// other servers is left out.
func (i *identity) sign(ctx context.Context) (context.Context, string, error) {
	now := time.Now()
	h := i.cached.Load()
	if h == nil || h.second != now.Unix() {
		pairs, err := i.signer.headers(ctx, i.id, now)
		if err != nil {
			return ctx, "", err
		}
		h = &signedHeaders{second: now.Unix(), pairs: pairs}
		i.cached.Store(h)
	}
	requestID := i.signer.requests.next()
	if _, others := metadata.FromOutgoingContext(ctx); others {
		ctx = metadata.NewOutgoingContext(ctx, nil)
	}
	var room [2*maxHeaders + 2]string // which does not outlive the call
	pairs := append(append(room[:0], h.pairs...), headerRequestID, requestID)
	return metadata.AppendToOutgoingContext(ctx, pairs...), requestID, nil
}

// forget makes the next request ask for the credentials again.
func (i *identity) forget() { i.cached.Store(nil) }

// maxHeaders is how many there may be besides the request id.
const maxHeaders = 8

func (s *signer) headers(ctx context.Context, clientID string, now time.Time) ([]string, error) {
	c, err := s.credentials(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: sign: no credentials: %w", err)
	}
	if err := c.check(s.option); err != nil {
		return nil, err
	}
	dateTime := now.UTC().Format(dateTimeLayout)
	pairs := []string{
		"x-mq-client-id", clientID,
		"x-mq-language", "GO", // the server's name of the language; in settings it is GOLANG
		"x-mq-protocol", "v2",
		"x-mq-client-version", protocolVersion,
		"x-mq-namespace", s.namespace,
		"x-mq-date-time", dateTime,
	}
	if c.SessionToken != "" {
		pairs = append(pairs, "x-mq-session-token", c.SessionToken)
	}
	if c.signs() {
		pairs = append(pairs, "authorization", authorization(c, dateTime))
	}
	return pairs, nil
}

func authorization(c Credentials, dateTime string) string {
	return "MQv2-HMAC-SHA1 Credential=" + c.AccessKey +
		", SignedHeaders=x-mq-date-time, Signature=" + signature(c.Secret, dateTime)
}

func signature(secret, dateTime string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(dateTime))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// requestIDs makes ids that look like UUIDs: a random prefix of this client and a counter.
type requestIDs struct {
	prefix [24]byte // "xxxxxxxx-xxxx-4xxx-8xxx-"
	count  *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the program instead
	r := requestIDs{count: new(atomic.Uint64)}
	h := hex.EncodeToString(random[:])
	copy(r.prefix[:], h[:8]+"-"+h[8:12]+"-4"+h[12:15]+"-8"+h[13:16]+"-")
	return r
}

func (r requestIDs) next() string {
	const digits, width = "0123456789abcdef", 12
	var id [len(r.prefix) + width]byte
	copy(id[:], r.prefix[:])
	n := r.count.Add(1)
	for i := len(id) - 1; i >= len(r.prefix); i-- {
		id[i] = digits[n&15]
		n >>= 4
	}
	return string(id[:])
}
