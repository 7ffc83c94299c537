package client

import (
	"context"
	"strings"
)

// Credentials are what a request is signed with. Without a key and a secret requests go unsigned.
type Credentials struct {
	AccessKey string // without commas and slashes, which the server could not tell from its own
	Secret    string
	// SessionToken goes with temporary credentials; empty otherwise.
	SessionToken string
}

// String hides the secret and the token.
func (c Credentials) String() string { return "Credentials(" + c.AccessKey + ")" }

// GoString hides the secret and the token.
func (c Credentials) GoString() string { return c.String() }

func (c Credentials) signs() bool { return c.AccessKey != "" && c.Secret != "" }

func (c Credentials) check() error {
	if (c.AccessKey == "") != (c.Secret == "") {
		return &OptionError{"WithCredentials", "the access key or the secret is empty: give both or neither"}
	}
	if strings.ContainsAny(c.AccessKey, ",/") {
		return &OptionError{"WithCredentials", "the access key has a comma or a slash, which the protocol cannot carry"}
	}
	return nil
}

// CredentialsFunc returns the credentials of the moment. It is called at most once a second by each
// producer and consumer, by several goroutines, and must return soon, from memory if it can.
type CredentialsFunc func(ctx context.Context) (Credentials, error)
