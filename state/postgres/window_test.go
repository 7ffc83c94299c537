package postgres_test

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/internal/windowmodel"
	"github.com/rocketflow-io/rocketflow/state/postgres"
)

var seeds = flag.Int("seeds", 5, "how many seeds the test of shared windows runs, from 0")

// line is the connections of a process to the database. It can be cut in the middle of what goes over it.
type line struct {
	mu    sync.Mutex
	conns []net.Conn
	left  int    // messages up to the cut; 0 if none is to come
	dead  func() // called at the cut
	cut   bool
}

// wire is one of them.
type wire struct {
	net.Conn
	l *line
}

var errCut = errors.New("the connection is cut")

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.Join(errCut, c.Close())
	}
	l.conns = append(l.conns, c)
	return wire{c, l}, nil
}

// Write sends a message. The last before the cut arrives; its answer does not.
func (w wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.l.sent()
	return n, err
}

func (l *line) sent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return
	}
	if l.left--; l.left > 0 {
		return
	}
	l.dead()
	l.cut = true
	for _, c := range l.conns {
		_ = c.Close() // a pool may have closed it
	}
}

// cutAfter cuts the line after so many more messages.
func (l *line) cutAfter(messages int, dead func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.dead = messages, dead
}

// handle opens the store as another process does.
func handle(ctx context.Context, table string) (windowmodel.Handle, error) {
	config, err := pgxpool.ParseConfig(os.Getenv("POSTGRES"))
	if err != nil {
		return windowmodel.Handle{}, err
	}
	l := &line{}
	config.ConnConfig.DialFunc = l.dial
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return windowmodel.Handle{}, err
	}
	s, err := postgres.Open(ctx, pool, postgres.WithTable(table))
	if err != nil {
		pool.Close()
		return windowmodel.Handle{}, err
	}
	return windowmodel.Handle{Store: &owned{Store: s, pool: pool, table: table}, Cut: l.cutAfter}, nil
}

// Processes that share windows in one database: some stand still beyond their heartbeat and their leases,
// and some die, with their connections cut in the middle of commits, and are begun anew. Each event counts
// once, in all its windows, and none is late by that; each result is there in the end, and two with one
// revision have one value.
func TestKept_SharedByProcessesIsSortingAndGrouping(t *testing.T) {
	var all windowmodel.Report
	for seed := range uint64(*seeds) {
		synctest.Test(t, func(t *testing.T) {
			table := newTable()
			m := windowmodel.Draw(seed, 300, 5*time.Minute)
			report, err := m.Share(t.Context(), 3, func() (windowmodel.Handle, error) { return handle(t.Context(), table) })
			require.NoError(t, err, "seed %d", seed)
			all.Add(report)
		})
	}
	t.Logf("%+v", all)
	require.Greater(t, all.Deaths, *seeds)
	require.Greater(t, all.Freezes, *seeds)
	require.Greater(t, all.Again, 10**seeds)
	require.Greater(t, all.Counters["conflicts"], int64(*seeds))
	require.Positive(t, all.Twice, "results that who had begun them had given, too")
}
