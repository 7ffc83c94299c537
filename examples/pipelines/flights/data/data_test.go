package data

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames_KnowsAirlinesAndAirports(t *testing.T) {
	names, err := Names()
	require.NoError(t, err)
	require.Equal(t, "United Air Lines Inc.", names.Airline("UA"))
	require.Empty(t, names.Airline("XX"))
}

func TestFiles_AreGzip(t *testing.T) {
	for _, open := range []func() (io.ReadCloser, error){Flights, Weather} {
		f, err := open()
		require.NoError(t, err)
		magic := make([]byte, 2)
		_, err = io.ReadFull(f, magic)
		require.NoError(t, err)
		require.Equal(t, []byte{0x1f, 0x8b}, magic)
		require.NoError(t, f.Close())
	}
}
