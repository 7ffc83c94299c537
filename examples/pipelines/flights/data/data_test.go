package data

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames_KnowsAirlinesAndAirports(t *testing.T) {
	names, err := Names()
	require.NoError(t, err)
	require.Equal(t, "United Air Lines Inc.", names.Airline("UA"))
	require.Empty(t, names.Airline("XX"))
}

func TestFlights_IsGzip(t *testing.T) {
	f, err := Flights()
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	magic := make([]byte, 2)
	_, err = f.Read(magic)
	require.NoError(t, err)
	require.Equal(t, []byte{0x1f, 0x8b}, magic)
}
