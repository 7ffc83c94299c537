package flow_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
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

// eventCodec is for aggregates of events, whose fields JSON does not see.
type eventCodec struct{}

func (eventCodec) Append(dst []byte, all []event) ([]byte, error) {
	for _, e := range all {
		dst = append(dst, byte(e.number>>8), byte(e.number), e.key[0], e.part[0], byte(e.at>>16), byte(e.at>>8), byte(e.at))
	}
	return dst, nil
}

func (eventCodec) Decode(b []byte) (all []event, err error) {
	for chunk := range slices.Chunk(b, 7) {
		if len(chunk) < 7 {
			return nil, errors.New("not events")
		}
		all = append(all, event{int(chunk[0])<<8 | int(chunk[1]), string(chunk[2]), string(chunk[3]), int(chunk[4])<<16 | int(chunk[5])<<8 | int(chunk[6])})
	}
	return all, nil
}

// troubled is a store whose commits fail now and then, before or after they are made, until it crashes:
// it may make one more commit, and from then on nothing works.
type troubled struct {
	state.Store
	tr    trouble
	in    int           // one commit in so many fails
	run   string        // tells the stores of several runs apart
	takes time.Duration // how long commits take, half of it before they are made

	mu      sync.Mutex
	under   int // commits under way
	ahead   int // reads meanwhile
	commits int
	dying   bool
	crashed bool
	fails   int
}

var errCrashed = errors.New("the process is gone")

func (s *troubled) crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dying = true
}

func (s *troubled) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return nil, errCrashed
	}
	if s.under > 0 {
		s.ahead++
	}
	return s.Store.Get(ctx, table, keys...)
}

func (s *troubled) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	s.pass(1)
	defer s.pass(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return state.Any, errCrashed
	}
	s.commits++
	if s.dying {
		s.crashed = true
		if s.tr.one(2, s.run+" dies", 0) {
			_, _ = s.Store.Commit(ctx, c)
		}
		return state.Any, errCrashed
	}
	if s.in > 0 && s.tr.one(s.in, s.run, s.commits) {
		s.fails++
		if s.tr.one(2, s.run+" makes", s.commits) {
			_, _ = s.Store.Commit(ctx, c)
		}
		return state.Any, errTest
	}
	return s.Store.Commit(ctx, c)
}

// pass notes that a commit has come or goes, and takes its time.
func (s *troubled) pass(commits int) {
	s.mu.Lock()
	s.under += commits
	s.mu.Unlock()
	time.Sleep(s.takes / 2)
}

func (d design) keptIn(s flow.Stream[event], store state.Store) flow.Windowed[string, event] {
	return d.windowed(s).KeptIn(store, "events", flow.ValueCodec(eventCodec{}))
}

// What windows in a store take is what sorting and grouping gives. They are never less lenient than
// windows that see each event by itself; of what is late they tell.
func TestKept_EqualsSortingAndGrouping(t *testing.T) {
	taken, late := 0, 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			d := newDesign(seed, true)
			if d.every == 0 {
				d.lateness = 300
			}
			out, lates := &table{}, &collector[event]{}
			p := d.keptIn(flow.From(d.source()), state.NewMemory()).
				Late(func(s flow.Stream[event]) *flow.Pipeline { return s.To(lates) }).Collect().To(out)
			require.NoError(t, p.Run(t.Context()))
			rows := out.rows(t)
			if d.every == 0 {
				require.Empty(t, lates.values())
				require.Equal(t, d.expected(d.events), rows, "seed %d", seed)
				return
			}
			least, _ := d.onTime()
			for s, group := range least {
				require.Subset(t, rows[s], group, "seed %d: %v", seed, s)
				taken += len(group)
			}
			most := d.expected(d.events)
			for s, group := range rows {
				require.Subset(t, most[s], group, "seed %d: %v", seed, s)
				require.Len(t, slices.Compact(slices.Clone(group)), len(group), "each once")
			}
			for _, e := range lates.values() {
				late++
				for _, s := range d.spans(e) {
					require.NotContains(t, rows[s], e.number, "late, and yet taken")
				}
			}
			in := make(map[int]bool)
			for _, group := range rows {
				for _, n := range group {
					in[n] = true
				}
			}
			require.Len(t, d.events, len(in)+len(lates.values()), "seed %d", seed)
		})
	}
	require.Greater(t, taken, 1000)
	require.Positive(t, late)
}

// Whatever fails and comes again, and however often the process dies: nothing is late by that, nothing
// counts twice, each pane has the right value in the end, two results with one revision have one value,
// and each record is done.
func TestKept_IsRightWhateverComesAgain(t *testing.T) {
	counters := make(map[string]int64)
	crashes, fails, unequal, ahead := 0, 0, 0, 0
	seeds := seedsOf(200)
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			d := newDesign(seed, false)
			tr, pause, death := trouble{seed}, rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
			c := make(chan event)
			src := sources.Channel(c).Partition(func(e event) string { return e.part }).
				Redeliver(0, func(int) time.Duration { return time.Duration(1+seed%40) * time.Second })
			slow := seed%2 == 0
			if slow {
				src.WithLease(2 * time.Minute)
			}
			if seed%3 == 0 { // what stands behind a failure of its key is late by that: the disorder has to cover it
				src.Keyed(func(e event) string { return e.key })
				d.outOfOrder += 2000
			}
			out, late := &table{}, &collector[event]{}
			out.before = tr.writes()
			memory := state.NewMemory()
			// Each event is tried again here at most once, and fails at most once, over all runs.
			retried, back := tr.once(6, "retried"), tr.once(6, "handed back")
			build := func(store *troubled) *flow.Pipeline {
				s := flow.From(src).TryMap(retried).OnError(flow.Retry(1, seconds(20))).TryMap(back).OnError(flow.Nack())
				return d.keptIn(s, store).Late(func(s flow.Stream[event]) *flow.Pipeline { return s.To(late) }).Collect().To(out)
			}
			given := make(chan struct{})
			go func() {
				defer close(given)
				for _, e := range d.events {
					c <- e
					if slow {
						time.Sleep(time.Duration(pause.IntN(8)) * time.Second)
					}
				}
				close(c)
			}()
			// Runs die one after the other, but for the last.
			for left := death.IntN(4); ; left-- {
				store := &troubled{Store: memory, tr: tr, in: 12, run: strconv.Itoa(left)}
				var opts []flow.RunOption
				if seed%5 < 3 {
					store.takes = time.Duration(100+death.IntN(4000)) * time.Millisecond
					opts = append(opts, flow.WithProbe(&flow.Probe{})) // so that few are enough to be made up meanwhile
				}
				ctx, cancel := context.WithCancel(t.Context())
				p := build(store)
				ended := make(chan error, 1)
				go func() { ended <- p.Run(ctx, opts...) }()
				if left > 0 {
					time.Sleep(time.Duration(1+death.IntN(120)) * time.Second)
					store.crash()
					crashes++
					time.Sleep(time.Duration(death.IntN(10)) * time.Second)
					cancel()
				}
				err := <-ended
				cancel()
				st, _ := p.Snapshot().Stage("window")
				for name, n := range st.Counters {
					counters[name] += n
				}
				fails += store.fails
				ahead += store.ahead
				if left <= 0 {
					require.NoError(t, err)
					break
				}
			}
			<-given
			require.Empty(t, late.values(), "seed %d", seed)
			require.Equal(t, d.expected(d.events), out.rows(t), "seed %d", seed)
			for _, o := range src.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			type revision struct {
				pane string
				n    int
			}
			values := make(map[revision]flow.Window[string, []event])
			for _, w := range out.values() {
				if old, ok := values[revision{w.Pane(), w.Revision}]; ok {
					require.Equal(t, old, w, "seed %d", seed)
					unequal++
				}
				values[revision{w.Pane(), w.Revision}] = w
			}
		})
	}
	t.Log(counters, "crashes", crashes, "failed commits", fails, "given twice", unequal, "read ahead", ahead)
	require.Greater(t, counters["again"], int64(seeds/20))
	require.Greater(t, counters["given_again"], int64(seeds*3/2))
	require.Greater(t, crashes, int(seeds/2))
	require.Greater(t, fails, int(seeds/2))
	require.Greater(t, ahead, int(seeds/2))
}
