package stagetest

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// SourceSetup is a source to be tested.
type SourceSetup[T any] struct {
	Source stage.Source[T]
	// Values are what the source has to give, in order: at least 3. For a keyed source several of
	// them have one key.
	Values []T
	// Equal compares values; by default reflect.DeepEqual does.
	Equal func(a, b T) bool
}

// Source checks that a source keeps the contract. Its rules are named:
//
//   - gives each value once, and then the end
//   - knows the same of a record whenever asked
//   - ends a read with its context and loses nothing
//   - takes outcomes in any order
//   - delivers again what failed
//   - delivers again what was handed back
//   - keeps the order of a key behind a failure
//   - gives in a later run what was not done
//   - can be opened and closed without being read
//   - gives no success to an outcome given twice
func Source[T any](t *testing.T, setup func(t *testing.T) SourceSetup[T], opts ...Option) {
	t.Helper()
	cfg := newConfig(opts)
	run(t, cfg, sourceRules[T](&cfg), func(t *testing.T) *sourceCheck[T] {
		t.Helper()
		return newSourceCheck(t, &cfg, setup(t))
	})
}

func sourceRules[T any](*config) []rule[*sourceCheck[T]] {
	return []rule[*sourceCheck[T]]{
		{"gives each value once, and then the end", givesEachValueOnce[T]},
		{"knows the same of a record whenever asked", knowsTheSame[T]},
		{"ends a read with its context and loses nothing", endsReadWithContext[T]},
		{"takes outcomes in any order", takesOutcomesInAnyOrder[T]},
		{"delivers again what failed", deliversAgainAfter[T](errTest)},
		{"delivers again what was handed back", deliversAgainAfter[T](stage.ErrHandedBack)},
		{"keeps the order of a key behind a failure", keepsOrderOfKey[T]},
		{"gives in a later run what was not done", givesTheRestLater[T]},
		{"can be opened and closed without being read", opensAndCloses[T]},
		{"gives no success to an outcome given twice", refusesASecondOutcome[T]},
	}
}

var errTest = errors.New("stagetest: failed on purpose")

// sourceCheck is a source under test.
type sourceCheck[T any] struct {
	SourceSetup[T]
	cfg    *config
	traits stage.SourceTraits
}

func newSourceCheck[T any](tb testing.TB, cfg *config, s SourceSetup[T]) *sourceCheck[T] {
	tb.Helper()
	require.NotNil(tb, s.Source, "stagetest: the setup has no source")
	require.GreaterOrEqual(tb, len(s.Values), 3, "stagetest: the setup has too few values")
	s.Equal = same(s.Equal)
	c := &sourceCheck[T]{SourceSetup: s, cfg: cfg}
	if d, ok := s.Source.(stage.SourceDescriber); ok {
		c.traits = d.SourceTraits()
	}
	return c
}

// session is one run of the source.
type session[T any] struct {
	*sourceCheck[T]
	tb     testing.TB
	reader stage.Reader[T]
	closed bool
	ended  bool // io.EOF came with records
}

// open begins a run, which the test's end closes.
func (c *sourceCheck[T]) open(tb testing.TB) *session[T] {
	tb.Helper()
	reader, err := c.Source.Open(c.cfg.context(tb))
	require.NoError(tb, err, "Open")
	if d, ok := reader.(stage.SourceDescriber); ok {
		c.traits = d.SourceTraits()
	}
	s := &session[T]{sourceCheck: c, tb: tb, reader: reader}
	tb.Cleanup(s.close)
	return s
}

func (s *session[T]) close() {
	s.tb.Helper()
	if s.closed {
		return
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.patience())
	defer cancel()
	require.NoError(s.tb, s.reader.Close(ctx), "Close")
}

// read reads once; false at the end. Records may come together with io.EOF, which is then kept for
// the next call, as the engine reads no further before it has dealt with them.
func (s *session[T]) read() ([]item[T], bool) {
	s.tb.Helper()
	if s.ended {
		s.ended = false
		return nil, false
	}
	items, err := s.take(s.cfg.context(s.tb))
	if errors.Is(err, io.EOF) {
		require.False(s.tb, s.cfg.endless, "an endless source does not give io.EOF")
		s.ended = len(items) > 0
		return items, s.ended
	}
	require.NoError(s.tb, err, "Read")
	require.NotEmpty(s.tb, items, "Read without an error gives at least one record")
	return items, true
}

// take calls Read. What comes with an error is taken as well.
func (s *session[T]) take(ctx context.Context) ([]item[T], error) {
	s.tb.Helper()
	b, err := s.reader.Read(ctx)
	return s.items(b), err
}

// items takes a batch apart. Its faults must be among its records.
func (s *session[T]) items(b stage.Batch[T]) []item[T] {
	s.tb.Helper()
	for _, f := range b.Faults {
		require.Less(s.tb, f.Index, len(b.Values), "the index of a fault is that of a record")
		require.Error(s.tb, f.Err, "a fault has an error")
	}
	items := make([]item[T], len(b.Values))
	for i := range b.Values {
		items[i] = item[T]{session: s, batch: b, index: i, info: b.At(i)}
	}
	return items
}

// readAll reads to the end, or, of a source without one, n records.
func (s *session[T]) readAll(n int) []item[T] {
	s.tb.Helper()
	var all []item[T]
	for !s.cfg.endless || len(all) < n {
		items, ok := s.read()
		if !ok {
			return all
		}
		all = append(all, items...)
	}
	return all
}

// item is a record that was read.
type item[T any] struct {
	session *session[T]
	batch   stage.Batch[T]
	index   int
	info    stage.Info
}

func (i item[T]) value() T { return i.batch.Values[i.index] }

// settle gives the record's outcome to the source.
func (i item[T]) settle(err error) {
	i.session.tb.Helper()
	require.NoError(i.session.tb, i.trySettle(err), "Settle of a record that is held")
}

func (i item[T]) trySettle(err error) error {
	if i.batch.Settler == nil {
		return nil
	}
	return i.batch.Settler.Settle(i.session.cfg.context(i.session.tb), []stage.Outcome{{Index: i.index, Err: err}})
}

func values[T any](items []item[T]) []T {
	all := make([]T, len(items))
	for i, it := range items {
		all[i] = it.value()
	}
	return all
}
