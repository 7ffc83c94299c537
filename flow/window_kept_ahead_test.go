package flow_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// What comes while a commit is under way is made up meanwhile, if it is much: with what that will have
// written, keys of both included, so that it is committed at once when that is done, and none sooner.
func TestKept_MakesUpTheNextCommitWhileOneIsUnderWay(t *testing.T) {
	const many = 256
	store := &watched{Store: state.NewMemory()}
	out := &collector[flow.Window[string, int]]{}
	var p *flow.Pipeline
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		p = hours(s).KeptIn(store, "w").Agg(zero, plus).To(out)
		return p
	}, func(c chan<- reading, m *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 4, 1})
		store.gated(make(chan struct{}))
		pass := func() { store.gate <- struct{}{}; synctest.Wait() }
		c <- reading{"a", 5, 1}
		synctest.Wait()
		for i := range many {
			c <- reading{string(rune('a' + i%2)), 6, 1}
		}
		synctest.Wait()
		require.Equal(t, []string{"a", "b"}, store.reads, "what it needs beside what the store will have")
		require.Equal(t, 2, store.writes, "the store has one at a time")
		for range 10 {
			c <- reading{"b", 7, 1}
		}
		pass()
		require.Equal(t, 3, store.writes)
		require.Len(t, store.reads, 2)
		require.True(t, outcomes(m)[1])
		require.NotContains(t, outcomes(m)[2:], true)
		pass()
		require.Equal(t, 4, store.writes)
		require.NotContains(t, outcomes(m)[:many+2], false)
		require.NotContains(t, outcomes(m)[many+2:], true)
		close(store.gate)
		time.Sleep(time.Second)
		require.NotContains(t, outcomes(m), false)
		close(c)
	}))
	require.ElementsMatch(t, []sum{{"a", 0, 60, 2 + many/2, 0, false, false}, {"b", 0, 60, many/2 + 10, 0, false, false}}, short(out.values()))
	st, ok := p.Snapshot().Stage("window")
	require.True(t, ok)
	require.Zero(t, st.Counters["conflicts"])
}

// below is how numbers are encoded that are below one.
type below int

func (b below) Append(dst []byte, n int) ([]byte, error) {
	if n >= int(b) {
		return nil, errTest
	}
	return binary.AppendVarint(dst, int64(n)), nil
}

func (b below) Decode(value []byte) (int, error) {
	n, _ := binary.Varint(value)
	return int(n), nil
}

// What cannot be written is not in what is made up behind it.
func TestKept_MakesUpNothingBehindWhatCannotBeWritten(t *testing.T) {
	const many = 256
	store := &watched{Store: state.NewMemory()}
	out := &collector[flow.Window[string, int]]{}
	require.NoError(t, feed(t, nil, func(s flow.Stream[reading]) *flow.Pipeline {
		return hours(s).KeptIn(store, "w", flow.ValueCodec(below(1000))).Agg(zero, plus).OnError(flow.Skip()).To(out)
	}, func(c chan<- reading, _ *sources.Memory[reading], _ func()) {
		give(c, reading{"a", 4, 1})
		store.gated(make(chan struct{}))
		for _, r := range []reading{{"b", 5, 1}, {"a", 5, 1000}, {"b", 6, 1}} { // the first has a commit for itself
			c <- r
			synctest.Wait()
		}
		store.gate <- struct{}{}
		synctest.Wait()
		for range many {
			c <- reading{"a", 6, 1}
		}
		synctest.Wait()
		close(store.gate)
		close(c)
	}))
	require.ElementsMatch(t, []sum{{"a", 0, 60, 1 + many, 0, false, false}, {"b", 0, 60, 2, 0, false, false}}, short(out.values()))
}

// meddled is a store whose commits take a while, and may fail, be made without an answer, or meet rows that
// someone else has written meanwhile.
type meddled struct {
	state.Store

	mu    sync.Mutex
	r     *rand.Rand
	under bool
	ahead int // reads while a commit was under way
}

func (s *meddled) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	s.mu.Lock()
	if s.under {
		s.ahead++
	}
	s.mu.Unlock()
	return s.Store.Get(ctx, table, keys...)
}

func (s *meddled) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	s.mu.Lock()
	s.under = true
	fate := s.r.IntN(8)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under = false
	}()
	time.Sleep(10 * time.Millisecond)
	switch fate {
	case 0:
		return state.Any, errTest
	case 1:
		_, _ = s.Store.Commit(ctx, c)
		return state.Any, errTest
	case 2:
		s.touch(ctx, "w.rows")
	}
	return s.Store.Commit(ctx, c)
}

// touch writes the entries of a table anew, as they are.
func (s *meddled) touch(ctx context.Context, table string) {
	var c state.Changes
	for e, err := range s.Scan(ctx, table, state.Range{}) {
		if err == nil {
			c.Writes = append(c.Writes, state.Write{Table: table, Key: e.Key, Value: e.Value, Expires: e.Expires})
		}
	}
	_, _ = s.Store.Commit(ctx, &c)
}

// What is made up behind a commit is made up anew if that fails, is made without an answer, or was not what
// stood in the store: each value counts once.
func TestKept_CountsOnceWhateverBecomesOfTheCommitUnderWay(t *testing.T) {
	const all, each = 6000, 20
	ahead, conflicts := 0, int64(0)
	for seed := range seedsOf(20) {
		store := &meddled{Store: state.NewMemory(), r: rand.New(rand.NewPCG(seed, 5))}
		out := &collector[flow.Window[string, int]]{}
		var p *flow.Pipeline
		require.NoError(t, feed(t, func(m *sources.Memory[reading]) { m.Redeliver(0, func(int) time.Duration { return time.Second }) },
			func(s flow.Stream[reading]) *flow.Pipeline {
				p = hours(s).KeptIn(store, "w").Agg(zero, plus).To(out)
				return p
			}, func(c chan<- reading, _ *sources.Memory[reading], _ func()) {
				for i := range all {
					c <- reading{strconv.Itoa(i%5 + i/100*5), i % 40, 1} // each 100 have five keys
					if i%40 == 39 {
						time.Sleep(time.Millisecond)
					}
				}
				close(c)
			}))
		sums := make(map[string]int)
		for _, w := range out.values() {
			sums[w.Key] = w.Value // the last of them stands
		}
		for _, n := range sums {
			require.Equal(t, each, n, "seed %d: %v", seed, sums)
		}
		require.Len(t, sums, all/each)
		st, _ := p.Snapshot().Stage("window")
		conflicts += st.Counters["conflicts"]
		ahead += store.ahead
	}
	t.Log("read ahead", ahead, "conflicts", conflicts)
	require.Positive(t, ahead)
	require.Positive(t, conflicts)
}
