package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func TestTemporary_TellsWhatMayPass(t *testing.T) {
	for _, err := range []error{
		client.ErrUnavailable, client.ErrNoAnswer, client.ErrThrottled, client.ErrInternal, client.ErrTimedOut,
		client.ErrBadAnswer, client.ErrBadRequest, client.ErrIllegalPollingTime, client.ErrNotSent, client.ErrQuota,
		context.DeadlineExceeded, errors.New("anything"),
		&client.BatchError{Errors: map[int]error{0: client.ErrThrottled, 1: client.ErrNoAnswer}, Size: 2},
	} {
		require.True(t, client.Temporary(err), err)
		require.True(t, client.Temporary(fmt.Errorf("wrapped: %w", err)), err)
	}
	for _, err := range []error{
		nil, client.ErrTopicNotFound, client.ErrUnauthorized, client.ErrClosed, client.ErrMessageType, client.ErrReceiptExpired,
		&client.ArgumentError{Field: "topic"}, fmt.Errorf("wrapped: %w", &client.OptionError{Option: "WithAwait"}),
		&client.BatchError{Errors: map[int]error{0: client.ErrThrottled, 1: client.ErrBodyTooLarge}, Size: 2},
	} {
		require.False(t, client.Temporary(err), err)
	}
}
