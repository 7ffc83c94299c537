package client

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/client/internal/endpoint"
)

func TestConnPool_ConnectsNoMoreOnceClosed(t *testing.T) {
	connected := 0
	p := newConnPool(&config{connect: func(context.Context, string) (grpc.ClientConnInterface, io.Closer, error) {
		connected++
		return nil, nil, nil
	}})
	known, err := endpoint.Parse("10.0.0.1:1")
	require.NoError(t, err)
	_, err = p.conn(known).rpc(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.close())
	late, err := endpoint.Parse("10.0.0.2:1")
	require.NoError(t, err)
	for _, e := range []endpoint.Endpoint{known, late} {
		_, err := p.conn(e).rpc(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	}
	require.Equal(t, 1, connected)
}
