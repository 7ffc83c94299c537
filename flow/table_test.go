package flow_test

import (
	"context"
	"fmt"
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

// order is a value that is joined with a customer.
type order struct {
	Customer string
	N        int
}

// customer is a change of the table: N is what is shown of it.
type customer struct {
	ID      string
	N       int
	Version int
	Gone    bool
}

func ofCustomer(o order) string      { return o.Customer }
func idOfCustomer(c customer) string { return c.ID }
func isGone(c customer) bool         { return c.Gone }
func versionOf(c customer) int64     { return int64(c.Version) }

// bill is what comes of an order, in short: "1+2", with "-" for no customer.
func bill(o order, c *customer) string {
	if c == nil {
		return fmt.Sprintf("%d+-", o.N)
	}
	return fmt.Sprintf("%d+%d", o.N, c.N)
}

func billKnown(o order, c customer) string { return bill(o, &c) }

// desk is where orders and changes of customers come in.
type desk struct {
	t         *testing.T
	orders    chan order
	changes   chan customer
	order     *sources.Memory[order]
	change    *sources.Memory[customer]
	store     state.Store
	out       *collector[string]
	join      func(flow.TableJoined[string, order, customer]) flow.Stream[string]
	table     func(flow.Table[string, customer]) flow.Table[string, customer]
	customers func(flow.Stream[customer]) flow.Stream[customer]
	pipeline  *flow.Pipeline
}

// open runs a left join while test gives it values. Run's error is returned.
func (d *desk) open(t *testing.T, test func(end func())) error {
	t.Helper()
	d.t, d.orders, d.changes, d.out = t, make(chan order), make(chan customer), &collector[string]{}
	soon := func(int) time.Duration { return 100 * time.Millisecond }
	d.order, d.change = sources.Channel(d.orders).Redeliver(0, soon), sources.Channel(d.changes).Redeliver(0, soon)
	changes := flow.From(d.change)
	if d.customers != nil {
		changes = d.customers(changes)
	}
	table := changes.KeyBy(idOfCustomer).Table(d.store, "customers").Deletes(isGone)
	if d.table != nil {
		table = d.table(table)
	}
	if d.join == nil {
		d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] { return j.Left(bill) }
	}
	d.pipeline = d.join(flow.From(d.order).KeyBy(ofCustomer).JoinTable(table)).To(d.out)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- d.pipeline.Run(ctx) }()
	test(cancel)
	if ctx.Err() == nil {
		close(d.orders)
		close(d.changes)
	}
	return <-ended
}

// give feeds orders and changes, and waits until what comes of each has come.
func (d *desk) give(values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case order:
			d.orders <- v
		case customer:
			d.changes <- v
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

func (d *desk) counter(name string) int64 {
	st, ok := d.pipeline.Snapshot().Stage("table join")
	require.True(d.t, ok)
	return st.Counters[name]
}

// A value is joined with the latest change of its key; what is deleted is not there. The table outlives
// the run.
func TestTable_HasTheLatestOfEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{store: state.NewMemory()}
		require.NoError(t, d.open(t, func(func()) {
			d.give(order{"a", 1}, customer{ID: "a", N: 10}, order{"a", 2}, order{"b", 3},
				customer{ID: "b", N: 20}, customer{ID: "a", N: 11}, order{"a", 4}, order{"b", 5},
				customer{ID: "a", Gone: true}, order{"a", 6})
			require.Equal(t, []bool{true, true, true, true}, outcomes(d.change))
		}))
		require.Equal(t, []string{"1+-", "2+10", "3+-", "4+11", "5+20", "6+-"}, d.out.values())

		d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] { return j.Inner(billKnown) }
		require.NoError(t, d.open(t, func(func()) {
			d.give(order{"a", 7}, order{"b", 8})
			require.Equal(t, []bool{true, true}, outcomes(d.order), "what has no row is done")
		}))
		require.Equal(t, []string{"8+20"}, d.out.values())
		require.EqualValues(t, 1, d.counter("unmatched"))
	})
}

// A value finds the change that came before it also when both wait for the store.
func TestTable_FindsWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &gated{state.NewMemory(), make(chan struct{})}
		d := &desk{store: store}
		require.NoError(t, d.open(t, func(func()) {
			d.give(order{"b", 1}, customer{ID: "a", N: 10}, order{"a", 2})
			require.Empty(t, d.out.values())
			close(store.gate)
		}))
		require.Equal(t, []string{"1+-", "2+10"}, d.out.values())
	})
}

// gated is a store whose reads wait until its gate is closed.
type gated struct {
	state.Store
	gate chan struct{}
}

func (s *gated) Get(ctx context.Context, table string, keys ...[]byte) ([]state.Entry, error) {
	<-s.gate
	return s.Store.Get(ctx, table, keys...)
}

// A change that failed, or whose acknowledgement was lost, and that comes again after a newer one, does not
// take its place: by its version, or by the source's time of it.
func TestTable_IsNotSetBackByWhatComesAgain(t *testing.T) {
	older, newer, gone := customer{ID: "a", N: 1, Version: 1}, customer{ID: "a", N: 2, Version: 2}, customer{ID: "a", Gone: true, Version: 3}
	byVersion := func(t flow.Table[string, customer]) flow.Table[string, customer] { return t.Version(versionOf) }
	for name, table := range map[string]func(flow.Table[string, customer]) flow.Table[string, customer]{
		"by version": byVersion, "by arrival": nil,
		"by time": func(t flow.Table[string, customer]) flow.Table[string, customer] {
			return t.Time(func(c customer) time.Time { return minute(c.Version) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed := false
				d := &desk{store: state.NewMemory(), table: table}
				d.customers = func(s flow.Stream[customer]) flow.Stream[customer] {
					d.change.EventTime(func(c customer) time.Time { return minute(c.Version) }).
						Redeliver(0, func(int) time.Duration { return time.Minute })
					return s.TryMap(func(_ context.Context, c customer) (customer, error) {
						if c == older && !failed {
							failed = true
							return c, errTest
						}
						return c, nil
					})
				}
				require.NoError(t, d.open(t, func(func()) {
					d.give(older, newer, order{"a", 1})
					time.Sleep(2 * time.Minute)
					d.give(order{"a", 2}, gone, order{"a", 3})
					require.Equal(t, []bool{true, true, true}, outcomes(d.change))
				}))
				require.Equal(t, []string{"1+2", "2+2", "3+-"}, d.out.values())
				require.EqualValues(t, 1, d.counter("stale"))
				if table == nil {
					return
				}
				require.NoError(t, d.open(t, func(func()) { d.give(newer, order{"a", 4}) }))
				require.Equal(t, []string{"4+-"}, d.out.values(), "an old change does not bring back what was deleted")
			})
		})
	}
}

// Nor does a change that another process has overtaken.
func TestTable_IsNotSetBackByAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := state.NewMemory()
		d := &desk{store: &overtaken{Store: memory, by: func() {
			newer := flow.From(sources.Values(customer{ID: "a", N: 2, Version: 2})).KeyBy(idOfCustomer).
				Table(memory, "customers").Version(versionOf)
			p := flow.From(sources.Values[order]()).KeyBy(ofCustomer).JoinTable(newer).Left(bill).To(&collector[string]{})
			require.NoError(t, p.Run(t.Context()))
		}}}
		d.table = func(t flow.Table[string, customer]) flow.Table[string, customer] { return t.Version(versionOf) }
		require.NoError(t, d.open(t, func(func()) {
			d.give(customer{ID: "a", N: 1, Version: 1}, order{"a", 1})
			require.Equal(t, []bool{true}, outcomes(d.change))
		}))
		require.Equal(t, []string{"1+2"}, d.out.values())
		require.EqualValues(t, 1, d.counter("stale"))
		require.EqualValues(t, 1, d.counter("conflicts"))
	})
}

// overtaken is a store in which another process is quicker than the first commit.
type overtaken struct {
	state.Store
	once sync.Once
	by   func()
}

func (s *overtaken) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	s.once.Do(s.by)
	return s.Store.Commit(ctx, c)
}

// Rule 6: a change is done when a commit has it, and makes no other change when it comes again although its
// commit was not answered.
func TestTable_AcknowledgesWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &forgetful{Store: state.NewMemory(), forgets: 1}
		d := &desk{store: store}
		require.NoError(t, d.open(t, func(func()) {
			d.give(customer{ID: "a", N: 1})
			require.Equal(t, []bool{true}, outcomes(d.change))
			require.Equal(t, 2, d.change.Outcomes()[0].Attempts)
			d.give(order{"a", 1})
		}))
		require.Equal(t, []string{"1+1"}, d.out.values())
		require.EqualValues(t, 1, d.counter("again"))
		require.Equal(t, 1, store.commits)
	})
}

// forgetful is a store that makes commits, but fails to say so for the first ones.
type forgetful struct {
	state.Store
	forgets int
	commits int
}

func (s *forgetful) Commit(ctx context.Context, c *state.Changes) (state.Version, error) {
	v, err := s.Store.Commit(ctx, c)
	if len(c.Writes) > 0 {
		s.commits++
	}
	if s.forgets--; s.forgets >= 0 {
		return state.Any, errTest
	}
	return v, err
}

// WaitFor has an order wait for its customer, and no other order; what has waited for so long is given up.
func TestTable_IsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{store: state.NewMemory()}
		d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] {
			d.order.Keyed(ofCustomer).WithLease(10 * time.Minute)
			return j.WaitFor(time.Minute).Left(bill)
		}
		require.NoError(t, d.open(t, func(func()) {
			d.give(customer{ID: "b", N: 20}, order{"a", 1}, order{"a", 2}, order{"b", 3}, order{"c", 4})
			require.Equal(t, []string{"3+20"}, d.out.values())
			require.Equal(t, []bool{false, false, true, false}, outcomes(d.order))
			d.give(customer{ID: "a", N: 10}, order{"a", 5})
			require.Equal(t, []string{"3+20", "1+10", "2+10", "5+10"}, d.out.values(), "in order")
			time.Sleep(time.Minute)
			require.Equal(t, []string{"3+20", "1+10", "2+10", "5+10", "4+-"}, d.out.values())

			d.give(order{"e", 8})
			d.changes <- customer{ID: "e", N: 50}
			synctest.Wait()
			require.Equal(t, []string{"3+20", "1+10", "2+10", "5+10", "4+-", "8+50"}, d.out.values(), "at once")

			// Another process has made the row.
			d.give(order{"d", 6})
			other := flow.From(sources.Values[order]()).KeyBy(ofCustomer).
				JoinTable(flow.From(sources.Values(customer{ID: "d", N: 30})).KeyBy(idOfCustomer).Table(d.store, "customers"))
			require.NoError(t, other.Left(bill).To(&collector[string]{}).Run(t.Context()))
			time.Sleep(2 * time.Second)
			require.Equal(t, "6+30", d.out.values()[6])
		}))
	})
}

// What waits is handed back when the run ends before its input, and not otherwise.
func TestTable_HandsBackWhatWaitsWhenTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{store: state.NewMemory()}
		d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] {
			return j.WaitFor(time.Hour).Left(bill)
		}
		began := time.Now()
		require.NoError(t, d.open(t, func(end func()) {
			d.give(order{"a", 1})
			end()
		}))
		require.Less(t, time.Since(began), time.Minute)
		require.Equal(t, 1, d.order.Outcomes()[0].HandedBack)
		require.Empty(t, d.out.values())

		require.NoError(t, d.open(t, func(func()) { d.give(order{"a", 2}) }))
		require.Equal(t, []string{"2+-"}, d.out.values())
		require.Greater(t, time.Since(began), time.Hour)
	})
}

// When the store fails, orders and changes do, and their policy decides: none is lost.
func TestTable_LosesNothingWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &troubled{Store: state.NewMemory()}
		d := &desk{store: store}
		require.NoError(t, d.open(t, func(func()) {
			d.give(customer{ID: "a", N: 1}, order{"a", 1})
			store.mu.Lock()
			store.crashed = true
			store.mu.Unlock()
			d.give(customer{ID: "a", N: 2}, order{"a", 2})
			require.Equal(t, []bool{true, false}, outcomes(d.change))
			require.ErrorIs(t, d.order.Outcomes()[1].Err, errCrashed)
			require.ErrorContains(t, d.change.Outcomes()[1].Err, `table "customers"`)
			store.mu.Lock()
			store.crashed = false
			store.mu.Unlock()
			d.give()
			time.Sleep(time.Minute)
		}))
		require.Equal(t, []bool{true, true}, outcomes(d.change))
		require.Equal(t, []bool{true, true}, outcomes(d.order))
		require.Equal(t, "1+1", d.out.values()[0])
		require.Contains(t, []string{"2+1", "2+2"}, d.out.values()[1])
	})
}

// A function that panics fails its value alone, and so does a row that something else has written.
func TestTable_FailsOneValueAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{store: state.NewMemory()}
		dead := &collector[flow.Failure]{}
		d.join = func(j flow.TableJoined[string, order, customer]) flow.Stream[string] {
			return j.Inner(func(o order, c customer) string {
				if o.N == 1 {
					panic("no")
				}
				return billKnown(o, c)
			}).OnError(flow.DeadLetter(dead))
		}
		_, err := d.store.Commit(t.Context(), &state.Changes{Writes: []state.Write{{Table: "customers.table", Key: []byte("x"), Value: []byte("?")}}})
		require.NoError(t, err)
		require.NoError(t, d.open(t, func(func()) {
			d.give(customer{ID: "a", N: 10}, order{"a", 1}, order{"x", 2}, order{"a", 3}, customer{ID: "x"})
		}))
		require.Equal(t, []string{"3+10"}, d.out.values())
		require.Len(t, dead.values(), 3)
		require.ErrorContains(t, dead.values()[0].Err, "panic: no")
		require.ErrorContains(t, dead.values()[1].Err, "something else")
		require.ErrorContains(t, dead.values()[2].Err, "something else")
	})
}

func TestTable_IsValidated(t *testing.T) {
	store := state.NewMemory()
	orders := func() flow.Keyed[string, order] { return flow.From(sources.Values(order{})).KeyBy(ofCustomer) }
	changes := func() flow.Stream[customer] { return flow.From(sources.Values(customer{}).Redeliver(0, nil)) }
	table := func() flow.Table[string, customer] { return changes().KeyBy(idOfCustomer).Table(store, "customers") }
	to := func(t flow.Table[string, customer]) *flow.Pipeline {
		return orders().JoinTable(t).Left(bill).To(&collector[string]{})
	}
	require.NoError(t, to(table()).Validate())
	leased := flow.From(sources.Values(order{}).WithLease(time.Minute).Redeliver(0, nil)).KeyBy(ofCustomer)
	batches := flow.Flatten(changes().Batch(10, 0)).KeyBy(idOfCustomer)
	same := table()
	for want, bad := range map[string]*flow.Pipeline{
		"no store: give the table one":    to(changes().KeyBy(idOfCustomer).Table(nil, "customers")),
		"cannot be the name of tables":    to(changes().KeyBy(idOfCustomer).Table(store, "a\x00")),
		"neither may be negative":         to(table().Remember(-1)),
		"the version of a value is nil":   to(table().Time(nil)),
		"table join: function is nil":     orders().JoinTable(table()).Inner[string](nil).To(&collector[string]{}),
		"shorten the waits":               leased.JoinTable(table()).WaitFor(time.Minute).Left(bill).To(&collector[string]{}),
		"say which is newer by Version":   to(batches.Table(store, "customers")),
		"is consumed twice":               flow.Join(to(same), to(same)),
		"keep their state under one name": flow.Join(to(table()), to(table())),
	} {
		err := bad.Validate()
		require.ErrorContains(t, err, want)
		require.Regexp(t, "table_test.go:|stage \"table join\"|in \"table join\"", err.Error(), "where")
	}
	require.NoError(t, to(batches.Table(store, "customers").Version(versionOf)).Validate())

	forgets := to(flow.From(sources.Values(customer{}).Redeliver(0, func(int) time.Duration { return time.Hour })).
		KeyBy(idOfCustomer).Table(store, "customers").Remember(time.Minute))
	require.ErrorContains(t, forgets.Run(t.Context()), "remember them longer")

	text := orders().JoinTable(table().Version(versionOf)).WaitFor(time.Minute).Named("bill").Left(bill).To(&collector[string]{}).Explain()
	for _, want := range []string{
		"bill; from s1, s2; keeps order per key; on 1 goroutine; settles with its result, a change when it is committed; left join with the row of a key", "the change of the highest version counts",
		"keeps rows in the tables customers.* of a store, which all processes of a group must share; waits for a row for at most 1m0s",
	} {
		require.True(t, strings.Contains(text, want), "%s\n%s", want, text)
	}
}
