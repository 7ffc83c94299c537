package billing

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
)

// A pipeline that has ended leaves no goroutine behind, and the tests hold it to that.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func order(body string) *client.Message { return &client.Message{Body: []byte(body)} }

// body is how a message is shown where a test fails.
func body(m *client.Message) string { return string(m.Body) }

func invoicesOf(t *testing.T, messages []*client.Message) (all []Invoice) {
	t.Helper()
	for _, m := range messages {
		var i Invoice
		require.NoError(t, json.Unmarshal(m.Body, &i))
		all = append(all, i)
	}
	return all
}

// fifth is a tax service that is up.
func fifth(_ context.Context, cents int) (int, error) { return cents / 5, nil }

var errDown = errors.New("the tax service is down")
