package client

import (
	"context"
	"errors"
	"strings"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestStatusError_HasAKindForEveryCode(t *testing.T) {
	x := exchange{op: "send", target: "orders", endpoint: "h:1", requestID: "r"}
	for number, name := range v2.Code_name {
		err := x.statusError(&v2.Status{Code: v2.Code(number), Message: "words"})
		if name == "OK" || name == "MULTIPLE_RESULTS" {
			require.NoError(t, err)
			continue
		}
		var refused *StatusError
		require.ErrorAs(t, err, &refused, name)
		require.NotNil(t, errors.Unwrap(refused), name)
		require.Equal(t, number, refused.Code)
		require.Contains(t, err.Error(), `client: send "orders": `)
		require.Contains(t, err.Error(), `from h:1, request r): the server says "words"`)
	}
}

func TestStatusError_SaysCauseAndRemedy(t *testing.T) {
	x := exchange{op: "receive from", target: "orders", endpoint: "h:1", requestID: "r"}
	err := x.statusError(&v2.Status{Code: v2.Code_UNAUTHORIZED, Message: "User:nobody is not found.\nsee the manual"})
	require.EqualError(t, err, `client: receive from "orders": not authorized (code 40100 from h:1, request r): `+
		`the server says "User:nobody is not found.": `+
		`check the access key, the secret and what they are permitted (WithCredentials)`)
	err = x.statusError(&v2.Status{Code: v2.Code_INTERNAL_SERVER_ERROR, Message: strings.Repeat("x", 10_000)})
	require.Less(t, len(err.Error()), 1000)
}

func TestStatusError_NamesAMissingGroupByTheServersWords(t *testing.T) {
	for code, words := range map[v2.Code]string{
		v2.Code_ILLEGAL_CONSUMER_GROUP: "group not found: g",
		v2.Code_INTERNAL_SERVER_ERROR:  "ProxyException: subscription group [g] not exist, see the manual",
	} {
		require.ErrorIs(t, exchange{}.statusError(&v2.Status{Code: code, Message: words}), ErrGroupNotFound)
	}
	require.NotErrorIs(t, exchange{}.statusError(&v2.Status{Code: v2.Code_ILLEGAL_CONSUMER_GROUP}), ErrGroupNotFound)
}

func TestTransportError_HasAKindForEveryCode(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		err := exchange{op: "send", target: "orders"}.transportError(t.Context(), status.Error(code, "words"))
		known := false
		for _, kind := range []error{
			ErrUnavailable, ErrNoAnswer, ErrThrottled, ErrUnauthorized, ErrUnsupported, ErrBadRequest, ErrInternal,
		} {
			known = known || errors.Is(err, kind)
		}
		require.True(t, known, code)
	}
	cause := errors.New("no route to host")
	err := exchange{op: "send", target: "orders", endpoint: "h:1"}.transportError(t.Context(), cause)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestTransportError_BlamesTheCallerForTheEndOfItsContext(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := exchange{op: "send", target: "orders"}.transportError(ctx, status.Error(codes.Unavailable, "words"))
	require.ErrorIs(t, err, why)
	require.False(t, retryable(err))
	require.False(t, lostTouch(err))

	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(closedError("consumer"))
	require.EqualError(t, exchange{}.transportError(ctx, status.Error(codes.Canceled, "words")), "client: consumer is closed")
}
