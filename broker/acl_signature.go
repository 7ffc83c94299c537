package broker

import (
	"crypto/hmac"
	"crypto/sha1" // the signature of the protocol is an HMAC-SHA1
	"encoding/hex"
	"strings"

	"google.golang.org/grpc/metadata"
)

// authenticate gives the user who signed a request.
func (a *acl) authenticate(md metadata.MD) (*account, error) {
	c, err := claimOf(md)
	if err != nil {
		return nil, err
	}
	if c.user == "" {
		return nil, unauthorized("username cannot be null.")
	}
	user, ok := a.user(c.user)
	switch {
	case !ok:
		return nil, unauthorized("User:%s is not found.", c.user)
	case user.Disabled:
		return nil, unauthorized("%v is disabled.", user.User)
	case !hmac.Equal(c.signature, sign(user.Secret, c.signed)):
		return nil, unauthorized("check signature failed.")
	}
	return user, nil
}

func sign(secret, text string) []byte {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// A claim is what the headers of a request say of who sent it.
type claim struct {
	user      string // empty if they do not say
	signed    string // what the signature is of: the time, as the client wrote it
	signature []byte
}

// claimOf reads the headers, of which one looks so:
//
//	authorization: MQv2-HMAC-SHA1 Credential=user/region/service, SignedHeaders=x-mq-date-time, Signature=hex
//
// The first word, what follows the user, and the signed headers do not matter.
func claimOf(md metadata.MD) (claim, error) {
	header := lastOf(md, "authorization")
	if header == "" {
		return claim{}, nil
	}
	c := claim{signed: lastOf(md, "x-mq-date-time")}
	if c.signed == "" {
		return c, unauthorized("datetime is null.")
	}
	_, items, ok := strings.Cut(header, " ")
	if !ok {
		return c, unauthorized("authentication header is incorrect.")
	}
	for item := range strings.SplitSeq(strings.TrimRight(items, ","), ",") {
		if err := c.add(strings.TrimSpace(item)); err != nil {
			return c, err
		}
	}
	return c, nil
}

// add reads one item, such as "Signature=0A1B".
func (c *claim) add(item string) error {
	key, value, ok := strings.Cut(item, "=")
	switch {
	case !ok:
		return unauthorized("authentication keyValues length is incorrect, actual length=1.")
	case key == "Credential" && value != "" && strings.Trim(value, "/") == "":
		return unauthorized("authentication credential length is incorrect, actual length=0.")
	case key == "Credential":
		c.user, _, _ = strings.Cut(value, "/")
	case key == "Signature":
		signature, err := hex.DecodeString(value)
		if err != nil {
			return unauthorized("create authentication context error.")
		}
		c.signature = signature
	}
	return nil
}

// lastOf gives the last value of a header, which is the one that counts.
func lastOf(md metadata.MD, header string) string {
	values := md.Get(header)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
