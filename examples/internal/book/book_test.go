package book

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file is what the books of these tests are of.
const file = "flights.csv"

func open(t *testing.T, path string) *Book {
	t.Helper()
	b, err := Open(t.Context(), path, file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() }) // some tests have closed it
	return b
}

// rows are flights as a file has them, without numbers; the fourth is cancelled, the fifth late.
func rows() []flights.Flight {
	return []flights.Flight{
		{Carrier: "UA", ArrDelay: flights.Int(1)}, {Carrier: "UA", ArrDelay: flights.Int(5)},
		{Carrier: "AA", ArrDelay: flights.Int(-7)}, {Carrier: "AA"},
		{Carrier: "UA", ArrDelay: flights.Int(30)},
	}
}

// load loads rows through the book and gives the messages.
func load(t *testing.T, b *Book) []*client.Message {
	t.Helper()
	out := sinks.Collect[*client.Message]()
	require.NoError(t, flow.From(b.Load(sources.Slice(rows()))).TryMap(message).To(out).Run(t.Context()))
	return out.Values()
}

// follow takes messages through the book.
func follow(b *Book, messages *sources.Memory[*client.Message], tally func(context.Context, flights.Flight) error) error {
	return flow.From(b.Follow(messages)).
		TryMap(flights.Parse).TryFilter(b.Arrived).
		To(sinks.Func(tally)).Run(context.Background())
}

func TestBook_CountsEachRowOnceHoweverOftenItIsDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := open(t, path)
	messages := load(t, b)
	require.Equal(t, 5, b.Loaded())
	require.Equal(t, []int{1, 2, 3, 4}, b.Missing(4))

	require.NoError(t, follow(b, sources.Slice(messages), b.Tally))
	require.NoError(t, follow(b, sources.Slice(messages[2:]), b.Tally))
	want := Counts{
		Read: 5, Acked: 5, Dropped: 1, Arrived: 4, Late: 1, Duplicates: 3,
		Carriers: map[string]Carrier{"UA": {3, 36}, "AA": {1, -7}},
	}
	require.Equal(t, want, b.Counts())
	require.Empty(t, b.Missing(9))

	require.NoError(t, b.Close())
	require.Equal(t, want, open(t, path).Counts())
}

func TestBook_SettlesARowOnlyWhenItsMessageIsDone(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	src := sources.Slice(load(t, b)).Redeliver(2, nil)
	require.NoError(t, follow(b, src, func(ctx context.Context, f flights.Flight) error {
		if err := b.Tally(ctx, f); f.Row != 3 {
			return err
		}
		return errors.New("not today")
	}))
	require.Equal(t, []int{3}, b.Missing(9))
	acked, loaded := b.Progress()
	require.Equal(t, 4, acked)
	require.Equal(t, 5, loaded)
	require.Equal(t, 4, b.Counts().Arrived)
}

// What is not in the journal must not be acknowledged: it would never come again.
func TestBook_KeepsBackWhatItCannotNote(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	messages := load(t, b)
	require.NoError(t, b.journal.Close())
	src := sources.Slice(messages).Recorded()
	reader, err := b.Follow(src).Open(t.Context())
	require.NoError(t, err)
	batch, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, batch.Settler.Settle(t.Context(), []stage.Outcome{{Index: 0}}), os.ErrClosed)
	require.False(t, src.Outcomes()[0].Done)
	require.NoError(t, reader.Close(t.Context()))
}

func TestBook_WaitsForARowWhoseAckFailed(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	messages := load(t, b)
	lossy := settling{Source: sources.Slice(messages), err: errors.New("the answer got lost")}
	reader, err := b.Follow(lossy).Open(t.Context())
	require.NoError(t, err)
	batch, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, batch.Settler.Settle(t.Context(), []stage.Outcome{{Index: 1}}), lossy.err)
	require.Equal(t, []int{1, 2}, b.Missing(2))
	require.NoError(t, reader.Close(t.Context()))

	require.NoError(t, follow(b, sources.Values(messages[1]), b.Tally))
	require.Equal(t, []int{1, 3}, b.Missing(2))
	require.Equal(t, 1, b.Counts().Duplicates)
}

func TestBook_WaitsOnlyForRowsWhoseAckIsNamedAsLost(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	messages := load(t, b)
	lost := &stage.BatchError{}
	lost.Fail(2, errors.New("the answer got lost"))
	lost.Fail(3, errors.New("not handed back"))
	reader, err := b.Follow(settling{Source: sources.Slice(messages), err: lost}).Open(t.Context())
	require.NoError(t, err)
	batch, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, batch.Settler.Settle(t.Context(), []stage.Outcome{
		{Index: 0}, {Index: 1}, {Index: 2}, {Index: 3, Err: stage.ErrHandedBack}, {Index: 4},
	}), lost)
	require.Equal(t, []int{3, 4}, b.Missing(9))
	require.Equal(t, 3, b.Counts().Acked)
	require.NoError(t, reader.Close(t.Context()))
}

// A source of rows has nothing to wait for when an outcome is lost.
func TestBook_LoadsFromASourceWhoseOutcomesGetLost(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	lossy := settlingOf[flights.Flight]{Source: sources.Slice(rows()), err: errors.New("the answer got lost")}
	reader, err := b.Load(lossy).Open(t.Context())
	require.NoError(t, err)
	batch, err := reader.Read(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, batch.Settler.Settle(t.Context(), []stage.Outcome{{Index: 0}}), lossy.err)
	require.Equal(t, 1, b.Loaded())
	require.NoError(t, reader.Close(t.Context()))
}

// settling is a source of messages whose settler fails.
type settling = settlingOf[*client.Message]

type settlingOf[T any] struct {
	stage.Source[T]
	err error
}

func (s settlingOf[T]) Open(ctx context.Context) (stage.Reader[T], error) {
	r, err := s.Source.Open(ctx)
	return settlingReader[T]{r, s.err}, err
}

type settlingReader[T any] struct {
	stage.Reader[T]
	err error
}

func (r settlingReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	b, err := r.Reader.Read(ctx)
	b.Settler = r
	return b, err
}

func (r settlingReader[T]) Settle(context.Context, []stage.Outcome) error { return r.err }

func TestBook_IgnoresMessagesOfOthers(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	messages := append(load(t, b), &client.Message{ID: "x", Keys: []string{"hello"}})
	buried := sinks.Collect[flow.Failure]()
	require.NoError(t, flow.From(b.Follow(sources.Slice(messages))).
		TryMap(flights.Parse).
		OnError(flow.DeadLetter(b.Bury(buried))).
		To(sinks.Func(b.Tally)).Run(t.Context()))
	require.Len(t, buried.Values(), 1)
	require.Zero(t, b.Counts().Dead)
	require.Equal(t, 5, b.Counts().Acked)
}

func message(_ context.Context, f flights.Flight) (*client.Message, error) { return flights.Message(f) }
