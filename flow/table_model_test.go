package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// history is what is known of the changes of a key: numbered from 1, each is a row or a deletion.
type history map[string][]customer

// newHistory makes changes, in the order in which they were made.
func newHistory(r *rand.Rand) (h history, all []customer) {
	h = make(history)
	for range 40 {
		id := string(rune('a' + r.IntN(4)))
		n := len(h[id]) + 1
		c := customer{ID: id, N: n, Version: n, Gone: r.IntN(4) == 0}
		h[id], all = append(h[id], c), append(all, c)
	}
	return h, all
}

// shows is how the change of a number is seen by who looks a key up.
func (h history) shows(id string, version int) string {
	if version == 0 || h[id][version-1].Gone {
		return "-"
	}
	return strconv.Itoa(version)
}

// may gives how a key may look when changes up to a version are there for sure, and others may be.
func (h history) may(id string, from int) (all []string) {
	for v := from; v <= len(h[id]); v++ {
		all = append(all, h.shows(id, v))
	}
	return all
}

// lookUps runs a plain pipeline over what a store has, and gives how each key looks.
func lookUps(t *testing.T, store state.Store, ids ...string) map[string]string {
	t.Helper()
	var orders []order
	for _, id := range ids {
		orders = append(orders, order{Customer: id})
	}
	out := &collector[[2]string]{}
	table := flow.From(sources.Values[customer]()).KeyBy(idOfCustomer).Table(store, "customers")
	p := flow.From(sources.Values(orders...)).KeyBy(ofCustomer).JoinTable(table).Left(func(o order, c *customer) [2]string {
		return [2]string{o.Customer, strings.TrimPrefix(bill(o, c), "0+")}
	}).To(out)
	require.NoError(t, p.Run(t.Context()))
	looks := make(map[string]string)
	for _, l := range out.values() {
		looks[l[0]] = l[1]
	}
	return looks
}

// What orders find is what a plain map has, if nothing fails and one comes after the other.
func TestTable_EqualsAMap(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			_, changes := newHistory(r)
			rows, want := make(map[string]int), []string(nil)
			d := &desk{store: state.NewMemory()}
			require.NoError(t, d.open(t, func(func()) {
				for i, c := range changes {
					d.give(c)
					if rows[c.ID] = c.N; c.Gone {
						delete(rows, c.ID)
					}
					o := order{string(rune('a' + r.IntN(4))), i}
					d.give(o)
					n, ok := rows[o.Customer]
					want = append(want, bill(o, nil))
					if ok {
						want[i] = bill(o, &customer{N: n})
					}
				}
			}))
			require.Equal(t, want, d.out.values(), "seed %d", seed)
		})
	}
}

// Whatever fails and comes again, in which order ever, and however often the process dies: each order is
// joined, none finds less than what was acknowledged before it came, and the table is right in the end.
func TestTable_IsRightWhateverComesAgain(t *testing.T) {
	counters := make(map[string]int64)
	crashes, fails, seeds := 0, 0, seedsOf(100)
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			r, death, tr := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 3)), trouble{seed}
			h, changes := newHistory(r)
			versions := seed%2 == 0
			if versions {
				r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			}
			again := func(int) time.Duration { return time.Duration(1+seed%20) * time.Second }
			orders, news := make(chan order), make(chan customer)
			ordered := sources.Channel(orders).Redeliver(0, again)
			if seed%3 == 0 {
				ordered.Keyed(ofCustomer).WithLease(10 * time.Minute)
			}
			changed := sources.Channel(news).Redeliver(0, again).EventTime(func(c customer) time.Time { return minute(c.Version) })
			out, least := &collector[[3]string]{}, &floor{of: make(map[int]int)}
			tries := make(map[[3]string]int)
			out.before = func(_ context.Context, os [][3]string) error {
				for _, o := range os {
					if tries[o]++; tries[o] == 1 && tr.one(5, fmt.Sprint(o), 0) {
						return errTest
					}
				}
				return nil
			}
			failed := make(map[customer]bool)
			build := func(store *troubled) *flow.Pipeline {
				table := flow.From(changed).TryMap(func(_ context.Context, c customer) (customer, error) {
					if !failed[c] && tr.one(5, c.ID, c.N) {
						failed[c] = true
						return c, errTest
					}
					return c, nil
				}).KeyBy(idOfCustomer).Table(store, "customers").Deletes(isGone)
				if versions {
					table = table.Version(versionOf)
				}
				joined := flow.From(ordered).KeyBy(ofCustomer).JoinTable(table)
				if seed%5 == 0 {
					joined = joined.WaitFor(10 * time.Second)
				}
				return joined.Left(func(o order, c *customer) [3]string {
					return [3]string{o.Customer, strconv.Itoa(o.N), strings.TrimPrefix(bill(o, c), strconv.Itoa(o.N)+"+")}
				}).OnError(flow.Retry(1, seconds(2))).To(out)
			}
			given := make(chan struct{})
			go func() {
				defer close(given)
				for i, c := range changes {
					news <- c
					time.Sleep(time.Duration(r.IntN(4)) * time.Second)
					o := order{string(rune('a' + r.IntN(4))), i}
					least.note(o, changed.Outcomes())
					orders <- o
				}
				close(news)
				close(orders)
			}()
			memory := state.NewMemory()
			for left := death.IntN(4); ; left-- {
				store := &troubled{Store: memory, tr: tr, in: 8, run: strconv.Itoa(left)}
				ctx, cancel := context.WithCancel(t.Context())
				p := build(store)
				ended := make(chan error, 1)
				go func() { ended <- p.Run(ctx) }()
				if left > 0 {
					time.Sleep(time.Duration(1+death.IntN(40)) * time.Second)
					store.crash()
					crashes++
					time.Sleep(time.Duration(death.IntN(10)) * time.Second)
					cancel()
				}
				err := <-ended
				cancel()
				st, _ := p.Snapshot().Stage("table join")
				for name, n := range st.Counters {
					counters[name] += n
				}
				fails += store.fails
				if left <= 0 {
					require.NoError(t, err)
					break
				}
			}
			<-given
			for _, o := range ordered.Outcomes() {
				require.True(t, o.Done, "seed %d: %+v", seed, o)
			}
			for _, c := range changed.Outcomes() {
				require.True(t, c.Done, "seed %d: %+v", seed, c)
			}
			joined := make(map[string]bool)
			for _, o := range out.values() {
				n, err := strconv.Atoi(o[1])
				require.NoError(t, err)
				joined[o[1]] = true
				require.Contains(t, h.may(o[0], least.of[n]), o[2], "seed %d: order %v came after change %d", seed, o, least.of[n])
			}
			require.Len(t, joined, len(changes), "seed %d", seed)
			for id, look := range lookUps(t, memory, "a", "b", "c", "d") {
				require.Equal(t, h.shows(id, len(h[id])), look, "seed %d: %s", seed, id)
			}
		})
	}
	t.Log(counters, "crashes", crashes, "failed commits", fails)
	for _, name := range []string{"stale", "again"} {
		require.Greater(t, counters[name], int64(seeds/10), name)
	}
	require.Greater(t, crashes, int(seeds/2))
	require.Greater(t, fails, int(seeds/2))
}

// floor is the version of an order's customer that was acknowledged when the order came.
type floor struct {
	mu sync.Mutex
	of map[int]int
}

func (f *floor) note(o order, all []sources.Outcome[customer]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range all {
		if c.Done && c.Value.ID == o.Customer {
			f.of[o.N] = max(f.of[o.N], c.Value.Version)
		}
	}
}
