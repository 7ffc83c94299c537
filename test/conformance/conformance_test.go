package conformance

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/test/internal/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// All rows run at once against a broker without a network, in virtual time: what takes minutes by
// the clock is over as soon as it has been computed.
func TestConformance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := target.StartInMemory()
		require.NoError(t, err)
		defer func() { require.NoError(t, server.Close()) }()
		outcomes, err := Run(t.Context(), server, Rows(), func(o Outcome) { t.Log(o) })
		require.NoError(t, err)
		for _, o := range outcomes {
			assert.NotEqual(t, Fail, o.Status, "%s: %s", o.ID, o.Reason)
		}
	})
}
