package main

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is the worker's main, where a test has started one.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-worker") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestOrders_HaveOneInvoiceEachAlthoughTheWorkerIsKilled(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), options{orders: 200, kills: 1}, &stdout, &stderr), stderr.String())
	require.Equal(t, "200 orders, worker killed 1 times: 200 invoices, 0 orders without one, 0 with more\n", stdout.String())
	require.Empty(t, stderr.String())
}
