package postgres_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/postgres"
	"github.com/rocketflow-io/rocketflow/state/statetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("POSTGRES") == "" {
		fmt.Fprintln(os.Stderr, "state/postgres: no test was run: make test-postgres gives them a PostgreSQL")
		os.Exit(0)
	}
	if os.Getenv(actorTable) != "" {
		act()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// tables numbers the tables of the tests, each of which has its own.
var tables atomic.Int32

// owned is a store with a pool of its own, as in another process.
type owned struct {
	*postgres.Store
	pool  *pgxpool.Pool
	table string
	close sync.Once
}

func (s *owned) Close() error {
	err := s.Store.Close()
	s.close.Do(s.pool.Close)
	return err
}

func open(t *testing.T, table string, opts ...postgres.Option) *owned {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), os.Getenv("POSTGRES"))
	require.NoError(t, err)
	s, err := postgres.Open(t.Context(), pool, append(opts, postgres.WithTable(table))...)
	require.NoError(t, err)
	return &owned{Store: s, pool: pool, table: table}
}

func newTable() string { return fmt.Sprintf("test %d-%d", os.Getpid(), tables.Add(1)) }

func TestStore_KeepsTheContract(t *testing.T) {
	statetest.Run(t, statetest.Store{
		Open:   func(t *testing.T) state.Store { t.Helper(); return open(t, newTable()) },
		Reopen: func(t *testing.T, s state.Store) state.Store { t.Helper(); return open(t, s.(*owned).table) },
		Share:  func(t *testing.T, s state.Store) state.Store { t.Helper(); return open(t, s.(*owned).table) },
	})
}

func commit(t *testing.T, s state.Store, writes ...state.Write) state.Version {
	t.Helper()
	v, err := s.Commit(t.Context(), &state.Changes{Writes: writes})
	require.NoError(t, err)
	return v
}

func put(key, value string) state.Write {
	return state.Write{Table: "t", Key: []byte(key), Value: []byte(value)}
}

func value(t *testing.T, s state.Store, key string) string {
	t.Helper()
	entries, err := s.Get(t.Context(), "t", []byte(key))
	require.NoError(t, err)
	return string(entries[0].Value)
}

func TestStore_RemovesWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newTable())
		defer func() { require.NoError(t, s.Close()) }()
		var c state.Changes
		for i := range 2500 {
			w := put(fmt.Sprint(i), "v")
			if i%2 == 0 {
				w.Expires = time.Now().Add(time.Minute)
			}
			c.Writes = append(c.Writes, w)
		}
		commit(t, s, c.Writes...)
		time.Sleep(3 * time.Minute)
		var kept int
		require.NoError(t, s.pool.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM %q", s.table)).Scan(&kept))
		require.Equal(t, 1250, kept)
	})
}

func TestOpen_RefusesWhatItCannotKeepItsPromisesWith(t *testing.T) {
	open := func(query string, opts ...postgres.Option) error {
		pool, err := pgxpool.New(t.Context(), os.Getenv("POSTGRES")+query)
		require.NoError(t, err)
		defer pool.Close()
		_, err = postgres.Open(t.Context(), pool, opts...)
		return err
	}
	require.ErrorContains(t, open("&pool_max_conns=1"), "needs 2")
	require.ErrorContains(t, open("&synchronous_commit=off"), "synchronous_commit is off")
	require.ErrorContains(t, open("", postgres.WithTable("")), "1 to 48 bytes")
	require.ErrorContains(t, open("", postgres.WithIdle(0)), "at least 1ms")
}

// Commits that lock the same rows in any order end, and none is lost.
func TestStore_CommitsThatCrossGoOn(t *testing.T) {
	s := open(t, newTable())
	defer func() { require.NoError(t, s.Close()) }()
	counts := state.NewTable[int, int]("counts")
	var work sync.WaitGroup
	for w := range 6 {
		work.Go(func() {
			for i := range 40 {
				a, b := (w+i)%5, (w+3*i+1)%5
				for {
					items, err := counts.GetAll(t.Context(), s, a, b)
					if err != nil {
						t.Error(err)
						return
					}
					var c state.Changes
					_ = counts.PutIf(&c, items[0], items[0].Value+1)
					if a != b {
						_ = counts.PutIf(&c, items[1], items[1].Value+1)
					}
					_, err = s.Commit(t.Context(), &c)
					if err == nil {
						break
					}
					if !isConflict(err) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	work.Wait()
	want, got := 0, 0
	for w := range 6 {
		for i := range 40 {
			want++
			if (w+i)%5 != (w+3*i+1)%5 {
				want++
			}
		}
	}
	for item, err := range counts.Scan(t.Context(), s) {
		require.NoError(t, err)
		got += item.Value
	}
	require.Equal(t, want, got)
}
