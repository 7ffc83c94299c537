package sinks

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

var errBroken = errors.New("broken")

func openSink[T any](t *testing.T, s stage.Sink[T]) stage.Writer[T] {
	t.Helper()
	w, err := s.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close(context.Background())) })
	return w
}

func batch[T any](values ...T) stage.Batch[T] { return stage.Batch[T]{Values: values} }

func TestCollect_KeepsValuesOfAllRunsInOrder(t *testing.T) {
	c := Collect[int]()
	values := []int{1, 2}
	require.NoError(t, openSink(t, c).Write(t.Context(), batch(values...)))
	values[0] = 9 // a writer keeps nothing of its batch
	require.NoError(t, openSink(t, c).Write(t.Context(), batch(3)))
	require.Equal(t, []int{1, 2, 3}, c.Values())
	require.Equal(t, 3, c.Len())
}

func TestDiscard_TakesEverything(t *testing.T) {
	require.NoError(t, openSink(t, Discard[int]()).Write(t.Context(), batch(1, 2)))
}

func TestFunc_FailsTheValueThatFailed(t *testing.T) {
	var seen []int
	w := openSink(t, Func(func(_ context.Context, v int) error {
		seen = append(seen, v)
		if v == 2 {
			return errBroken
		}
		return nil
	}))
	err := w.Write(t.Context(), batch(1, 2, 3))
	require.Equal(t, &stage.BatchError{Failed: map[int]error{1: errBroken}}, err)
	require.Equal(t, []int{1, 2, 3}, seen)
}

func TestFunc_FailsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := openSink(t, Func(func(context.Context, int) error {
		cancel()
		return nil
	}))
	err := w.Write(ctx, batch(1, 2, 3))
	require.Equal(t, &stage.BatchError{Failed: map[int]error{1: context.Canceled, 2: context.Canceled}}, err)
}

func TestFuncBatch_GivesTheWholeBatch(t *testing.T) {
	var got []int
	s := FuncBatch(func(_ context.Context, values []int) error {
		got = append(got, values...)
		return errBroken
	}).Concurrently(3)
	require.ErrorIs(t, openSink(t, s).Write(t.Context(), batch(1, 2)), errBroken)
	require.Equal(t, []int{1, 2}, got)
	require.Equal(t, 3, s.SinkTraits().Concurrency)
}

// fewBytes takes so many bytes and no more.
type fewBytes struct {
	bytes.Buffer
	left int
	err  error
}

func (f *fewBytes) Write(p []byte) (int, error) {
	n, _ := f.Buffer.Write(p[:min(f.left, len(p))])
	if f.left -= n; n < len(p) {
		return n, f.err
	}
	return n, nil
}

func TestWriter_WritesLines(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, openSink(t, Writer[int](&out, nil)).Write(t.Context(), batch(1, 2)))
	upper := Writer(&out, func(s string) string { return "<" + s + ">" })
	require.NoError(t, openSink(t, upper).Write(t.Context(), batch("a")))
	require.Equal(t, "1\n2\n<a>\n", out.String())
}

func TestWriter_FailsTheLinesThatWereNotTaken(t *testing.T) {
	for name, cause := range map[string]error{"with an error": errBroken, "silently": nil} {
		t.Run(name, func(t *testing.T) {
			out := &fewBytes{left: 7, err: cause}
			err := openSink(t, Writer[string](out, nil)).Write(t.Context(), batch("one", "two", "three"))
			var failed *stage.BatchError
			require.ErrorAs(t, err, &failed)
			require.Len(t, failed.Failed, 2)
			require.Contains(t, failed.Failed, 1)
			require.Contains(t, failed.Failed, 2)
		})
	}
}
