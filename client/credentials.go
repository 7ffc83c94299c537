package client

import (
	"context"
	"log/slog"
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

// LogValue hides the secret and the token from handlers that would write all fields.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Credentials) signs() bool { return c.AccessKey != "" && c.Secret != "" }

// check names the option from which the credentials are.
func (c Credentials) check(option string) error {
	switch {
	case (c.AccessKey == "") != (c.Secret == ""):
		return &OptionError{option, "the access key or the secret is empty: give both or neither"}
	case strings.ContainsAny(c.AccessKey, ",/"):
		return &OptionError{option, "the access key has a comma or a slash, which the protocol cannot carry"}
	case !printable(c.AccessKey), hasControl(c.Secret), !printable(c.SessionToken):
		return &OptionError{option, "the access key, the secret or the token has a character that cannot be sent, " +
			"such as the end of the line that it was read from: cut it off"}
	}
	return nil
}

// printable says whether s can be the value of a header.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// CredentialsFunc returns the credentials of the moment. Each producer and consumer calls it about once
// a second, from several goroutines at once where several find that the second is over; it must
// return soon, from memory if it can.
type CredentialsFunc func(ctx context.Context) (Credentials, error)
