package drain

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/book"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topic is a topic of twelve rows that a book has loaded, and which stays open.
func topic(t *testing.T) (*book.Book, chan *client.Message) {
	t.Helper()
	b, err := book.Open(t.Context(), filepath.Join(t.TempDir(), "journal"), "flights.csv")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	rows := make([]flights.Flight, 12)
	for i := range rows {
		rows[i].ArrDelay = flights.Int(i)
	}
	messages := make(chan *client.Message, 2*len(rows))
	require.NoError(t, flow.From(b.Load(sources.Slice(rows))).TryMap(message).
		To(sinks.Func(func(_ context.Context, m *client.Message) error { messages <- m; return nil })).
		Run(t.Context()))
	return b, messages
}

func tallying(b *book.Book, messages chan *client.Message) *flow.Pipeline {
	return flow.From(b.Follow(sources.Channel(messages))).TryMap(flights.Parse).To(sinks.Func(b.Tally))
}

func TestRun_EndsWhenEachRowIsAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, messages := topic(t)
		require.NoError(t, Run(t.Context(), tallying(b, messages), b, Patience))
		require.Equal(t, 12, b.Counts().Acked)
		require.NoError(t, Run(t.Context(), tallying(b, messages), b, Patience)) // there is nothing left
	})
}

func TestRun_NamesTheRowsThatDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, messages := topic(t)
		<-messages
		began := time.Now()
		err := Run(t.Context(), tallying(b, messages), b, Patience)
		var stuck *StuckError
		require.ErrorAs(t, err, &stuck)
		require.Equal(t, 1, stuck.Missing)
		require.Equal(t, []int{1}, stuck.First)
		require.ErrorContains(t, err, "no progress for 1m0s: 1 rows are missing: 1: ")
		require.Equal(t, Patience, time.Since(began).Round(time.Second))
	})
}

func TestRun_HasPatienceWhileThereIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, messages := topic(t)
		slowly := flow.From(b.Follow(sources.Channel(messages).ReadSize(1))).TryMap(flights.Parse).
			To(sinks.Func(func(ctx context.Context, f flights.Flight) error {
				time.Sleep(Patience - time.Second)
				return b.Tally(ctx, f)
			}), flow.Batched(1, 0))
		require.NoError(t, Run(t.Context(), slowly, b, Patience))
	})
}

// A row that fails again and again is no progress, though much happens.
func TestRun_IsNotFooledByRowsThatComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, messages := topic(t)
		hopeless := flow.From(b.Follow(sources.Channel(messages).Redeliver(0, func(int) time.Duration { return time.Second }))).
			TryMap(flights.Parse).
			To(sinks.Func(func(ctx context.Context, f flights.Flight) error {
				return errors.Join(b.Tally(ctx, f), errors.New("not today"))
			}))
		var stuck *StuckError
		err := Run(t.Context(), hopeless, b, Patience)
		require.ErrorAs(t, err, &stuck)
		require.Equal(t, 12, stuck.Missing)
		require.ErrorContains(t, err, "missing: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …: ")
	})
}

func TestRun_ReturnsWhatEndedThePipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, messages := topic(t)
		bad := errors.New("bad row")
		stops := flow.From(b.Follow(sources.Channel(messages))).
			To(sinks.Func(func(context.Context, *client.Message) error { return bad }), flow.OnWriteError(flow.Stop()))
		require.ErrorIs(t, Run(t.Context(), stops, b, Patience), bad)

		b, messages = topic(t)
		<-messages
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := Run(ctx, tallying(b, messages), b, Patience)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "ended with 1 rows to go")
	})
}

func message(_ context.Context, f flights.Flight) (*client.Message, error) { return flights.Message(f) }
