package client

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

func identityWith(provider CredentialsFunc) *identity {
	return &identity{id: "me", signer: newSigner(&config{provider: provider, namespace: "ns"})}
}

func signed(t *testing.T, i *identity) metadata.MD {
	t.Helper()
	ctx, _, err := i.sign(t.Context())
	require.NoError(t, err)
	md, ok := metadata.FromOutgoingContext(ctx)
	require.True(t, ok)
	return md
}

func TestSignature_AgreesWithTheProtocol(t *testing.T) {
	require.Equal(t, "8253C64A492F7128D6DB0454D71F2E9CC618F627", signature("sk", "20260102T030405Z"))
}

func TestSign_SendsTheHeadersOfTheProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := identityWith(func(context.Context) (Credentials, error) {
			return Credentials{AccessKey: "ak", Secret: "sk", SessionToken: "token"}, nil
		})
		md := signed(t, i)
		require.Equal(t, metadata.MD{
			"x-mq-client-id":      {"me"},
			"x-mq-language":       {"GO"},
			"x-mq-protocol":       {"v2"},
			"x-mq-client-version": {protocolVersion},
			"x-mq-namespace":      {"ns"},
			"x-mq-date-time":      {"20000101T000000Z"},
			"x-mq-session-token":  {"token"},
			"x-mq-request-id":     md.Get(headerRequestID),
			"authorization": {"MQv2-HMAC-SHA1 Credential=ak, SignedHeaders=x-mq-date-time, Signature=" +
				signature("sk", "20000101T000000Z")},
		}, md)
	})
}

func TestSign_AsksForCredentialsOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		i := identityWith(func(context.Context) (Credentials, error) {
			asked++
			return Credentials{AccessKey: "ak", Secret: "sk"}, nil
		})
		first, second := signed(t, i), signed(t, i)
		require.NotEqual(t, first.Get(headerRequestID), second.Get(headerRequestID))
		require.Equal(t, first.Get("authorization"), second.Get("authorization"))
		require.Equal(t, 1, asked)
		time.Sleep(time.Second)
		require.NotEqual(t, first.Get("authorization"), signed(t, i).Get("authorization"))
		require.Equal(t, 2, asked)
		i.forget()
		signed(t, i)
		require.Equal(t, 3, asked)
	})
}

func TestSign_LeavesOutWhatIsForOthers(t *testing.T) {
	i := identityWith(func(context.Context) (Credentials, error) { return Credentials{}, nil })
	ctx, _, err := i.sign(metadata.AppendToOutgoingContext(t.Context(), "authorization", "of another server"))
	require.NoError(t, err)
	md, _ := metadata.FromOutgoingContext(ctx)
	require.Empty(t, md.Get("authorization"))
}

func TestSign_FailsWithoutUsableCredentials(t *testing.T) {
	cause := errors.New("vault sealed")
	_, _, err := identityWith(func(context.Context) (Credentials, error) { return Credentials{}, cause }).sign(t.Context())
	require.ErrorIs(t, err, cause)
	_, _, err = identityWith(func(context.Context) (Credentials, error) { return Credentials{AccessKey: "a/b", Secret: "s"}, nil }).sign(t.Context())
	require.ErrorContains(t, err, "WithCredentialsFunc: the access key has a comma or a slash")
}

func TestRequestIDs_LookLikeUUIDs(t *testing.T) {
	ids := newRequestIDs()
	one, two := ids.next(), ids.next()
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`), one)
	require.NotEqual(t, one, two)
}

func TestSign_AllocatesLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still, so the second does not change
		i := identityWith(func(context.Context) (Credentials, error) { return Credentials{AccessKey: "ak", Secret: "sk"}, nil })
		signed(t, i)
		allocs := testing.AllocsPerRun(100, func() { _, _, _ = i.sign(context.Background()) })
		require.LessOrEqual(t, allocs, 5.0)
	})
}
