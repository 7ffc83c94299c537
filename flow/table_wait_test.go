package flow_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/state"
)

// moment is when something of a key happens: an order comes, or a change does, perhaps to another process.
type moment struct {
	at     time.Duration
	key    string
	order  int // its number; -1 of a change
	change customer
	others bool
}

// course is what happens, one thing after another.
type course []moment

// newCourse makes one of four keys, of which there is no row at first.
func newCourse(r *rand.Rand) (all course) {
	at, orders := time.Duration(0), 0
	for n := range 80 {
		at += time.Duration(1+r.IntN(1500)) * time.Millisecond
		m := moment{at: at, key: string(rune('a' + r.IntN(4))), order: -1}
		if r.IntN(3) > 0 {
			m.order = orders
			orders++
		} else {
			m.change, m.others = customer{ID: m.key, N: n, Gone: r.IntN(2) == 0}, r.IntN(2) == 0
		}
		all = append(all, m)
	}
	return all
}

// of gives what happens of a key from one time up to another.
func (c course) of(key string, from, to time.Duration) (all course) {
	for _, m := range c {
		if m.key == key && m.at >= from && m.at <= to {
			all = append(all, m)
		}
	}
	return all
}

// row gives how a key looks at a time.
func (c course) row(key string, at time.Duration) string {
	row := "-"
	for _, m := range c.of(key, 0, at) {
		switch {
		case m.order >= 0:
		case m.change.Gone:
			row = "-"
		default:
			row = strconv.Itoa(m.change.N)
		}
	}
	return row
}

// finds gives when an order that comes at a time is joined at the latest: when it finds a row that is
// there, since it comes, or another order of its key, or this process makes the row; when a row of another
// process has been there for a second; or when it has waited for so long.
func (c course) finds(key string, came, wait time.Duration) time.Duration {
	latest := came + wait
	all := c.of(key, came, latest)
	for i, m := range all {
		if c.row(key, m.at) == "-" {
			continue
		}
		if !m.others {
			return min(latest, m.at)
		}
		if found := m.at + time.Second; i == len(all)-1 || all[i+1].at > found {
			return min(latest, found)
		}
	}
	return latest
}

// served is an order that was joined, in short.
type served struct {
	order
	row string
	at  time.Duration
}

// Orders of one key leave in the order in which they came, each with the row that is there then. None waits
// when it could have found one, and none for longer than it may, nor goes without one sooner.
func TestTable_WaitsForARowAndNoLonger(t *testing.T) {
	waited, without, others := 0, 0, 0
	for seed := range seedsOf(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			c, wait, began := newCourse(r), time.Duration(1+r.IntN(9))*time.Second, time.Now()
			var out []served
			d := &desk{store: state.NewMemory()}
			d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] {
				return j.WaitFor(wait).Left(func(o order, row *customer) string {
					b := bill(o, row)
					out = append(out, served{o, b[strings.Index(b, "+")+1:], time.Since(began)})
					return b
				})
			}
			came := make(map[int]moment)
			require.NoError(t, d.open(t, func(func()) {
				for _, m := range c {
					time.Sleep(m.at - time.Since(began))
					switch {
					case m.order >= 0:
						came[m.order] = m
						d.orders <- order{m.key, m.order}
					case m.others:
						others := flow.From(sources.Values(m.change)).KeyBy(idOfCustomer).Table(d.store, "customers").Deletes(isGone)
						p := flow.From(sources.Values[order]()).KeyBy(ofCustomer).JoinTable(others).Left(bill).To(&collector[string]{})
						require.NoError(t, p.Run(t.Context()))
					default:
						d.changes <- m.change
					}
					synctest.Wait()
				}
			}))
			last := make(map[string]int)
			for _, s := range out {
				m := came[s.N]
				require.GreaterOrEqual(t, s.N, last[s.Customer], "seed %d: %v is overtaken", seed, s)
				last[s.Customer] = s.N
				require.Equal(t, c.row(s.Customer, s.at), s.row, "seed %d: %v", seed, s)
				latest := c.finds(s.Customer, m.at, wait)
				require.LessOrEqual(t, s.at, latest, "seed %d: %v, which came at %v", seed, s, m.at)
				if s.row == "-" {
					without++
					require.Equal(t, m.at+wait, s.at, "seed %d: %v", seed, s)
				} else if s.at > m.at {
					waited++
				}
				if s.at > m.at && s.at < latest {
					others++ // it was looked up before it had to be
				}
			}
			require.Len(t, out, len(came), "seed %d", seed)
			for _, o := range d.order.Outcomes() {
				require.True(t, o.Done, "seed %d: %v", seed, o)
				require.Equal(t, 1, o.Attempts, "seed %d: %v", seed, o)
			}
		})
	}
	t.Log("found a row later", waited, "none", without, "of another process, before a second", others)
	require.Positive(t, waited)
	require.Positive(t, without)
	require.Positive(t, others)
}

// An order whose lease ends before it has waited for so long goes on when that is the last moment for what
// follows, and does not come again.
func TestTable_WaitsNoLongerThanTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		in := sources.Values(order{"a", 1}).Redeliver(0, nil).WithLease(30 * time.Second)
		table := flow.From(sources.Values[customer]()).KeyBy(idOfCustomer).Table(state.NewMemory(), "customers")
		out := &collector[string]{}
		p := flow.From(in).Map(func(o order) order {
			time.Sleep(20 * time.Second)
			return o
		}).KeyBy(ofCustomer).JoinTable(table).WaitFor(20 * time.Second).Left(bill).To(out)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, p.Run(ctx))
		require.Equal(t, []string{"1+-"}, out.values())
		require.Equal(t, 1, in.Outcomes()[0].Attempts)
		require.Less(t, time.Since(began), 30*time.Second)
	})
}
