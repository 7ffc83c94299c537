package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/postgres"
)

func isConflict(err error) bool { return errors.Is(err, state.ErrConflict) }

// An actor is another process, which is this program again. It counts a message in the table that this
// variable names: it reads, says so, waits to be told, and commits.
const actorTable = "STATE_ACTOR_TABLE"

// counted is the table of sums, and ids that of the marks of what is in them.
func counted() state.Table[string, int] { return state.NewTable[string, int]("t") }

func ids() state.Marks { return state.Marks{Table: "ids"} }

// add adds a message to changes, on top of what was read.
func add(c *state.Changes, read state.Item[string, int], id string) error {
	ids().Add(c, id)
	return counted().PutIf(c, read, read.Value+1)
}

// act is what an actor does: it prints what it has come to.
func act() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("POSTGRES"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	s, err := postgres.Open(ctx, pool, postgres.WithTable(os.Getenv(actorTable)))
	if err != nil {
		fmt.Println(err)
		return
	}
	read, err := counted().Get(ctx, s, "sum")
	fmt.Println("read", read.Value, err)
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		fmt.Println(err)
		return
	}
	var c state.Changes
	if err := add(&c, read, "m1"); err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Commit(ctx, &c)
	fmt.Println("committed", err == nil, "conflict", isConflict(err))
}

// actor starts a process, and gives its input and its lines.
func actor(t *testing.T, table string) (cmd *exec.Cmd, tell func(), line func() string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actorTable+"="+table)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	tell = func() {
		_, err := fmt.Fprintln(in)
		require.NoError(t, err)
	}
	line = func() string {
		require.True(t, lines.Scan(), "the process has ended")
		return strings.TrimSpace(lines.Text())
	}
	return cmd, tell, line
}

// A process that is paused beyond the lease of its message changes nothing when it goes on: the message
// was delivered to another, which has counted it.
func TestStore_FencesAProcessThatWasThoughtDead(t *testing.T) {
	s := open(t, newTable())
	defer func() { require.NoError(t, s.Close()) }()
	process, tell, line := actor(t, s.table)
	require.Equal(t, "read 0 <nil>", line())
	require.NoError(t, process.Process.Signal(syscall.SIGSTOP))

	read, err := counted().Get(t.Context(), s, "sum")
	require.NoError(t, err)
	var c state.Changes
	require.NoError(t, add(&c, read, "m1"))
	commit(t, s, c.Writes...)
	// Other messages are counted, and the sum is what it was by chance: the mark is a fence by itself.
	c.Reset()
	require.NoError(t, counted().Delete(&c, "sum"))
	commit(t, s, c.Writes...)

	require.NoError(t, process.Process.Signal(syscall.SIGCONT))
	tell()
	require.Equal(t, "committed false conflict true", line())
	after, err := counted().Get(t.Context(), s, "sum")
	require.NoError(t, err)
	require.False(t, after.Found())
}

// One that comes first, and was only thought dead, is not undone: the other finds the mark.
func TestStore_CountsAMessageOnceWhoeverIsFirst(t *testing.T) {
	s := open(t, newTable())
	defer func() { require.NoError(t, s.Close()) }()
	_, tell, line := actor(t, s.table)
	require.Equal(t, "read 0 <nil>", line())
	read, err := counted().Get(t.Context(), s, "sum")
	require.NoError(t, err)
	tell()
	require.Equal(t, "committed true conflict false", line())
	var c state.Changes
	require.NoError(t, add(&c, read, "m1"))
	_, err = s.Commit(t.Context(), &c)
	var conflict *state.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, []int{0, 1}, conflict.Writes)
	require.Equal(t, 1, mustGet(t, s))
}

func mustGet(t *testing.T, s state.Store) int {
	t.Helper()
	item, err := counted().Get(t.Context(), s, "sum")
	require.NoError(t, err)
	return item.Value
}

// A process that stands still in the middle of a commit, with rows locked, holds up no one for longer
// than it may, and its commit fails.
func TestStore_EndsATransactionThatStandsStill(t *testing.T) {
	const idle = 300 * time.Millisecond
	s := open(t, newTable(), postgres.WithIdle(idle))
	defer func() { require.NoError(t, s.Close()) }()
	commit(t, s, put("k", "before"))
	slow := open(t, s.table, postgres.WithIdle(idle))
	defer func() { require.NoError(t, slow.Close()) }()
	resume := make(chan struct{})
	ended := make(chan error)
	go func() {
		_, err := slow.CommitPaused(t.Context(), &state.Changes{Writes: []state.Write{put("k", "late")}}, func() { resume <- struct{}{}; <-resume })
		ended <- err
	}()
	<-resume
	commit(t, s, put("k", "after")) // waits for the lock, and then has it
	resume <- struct{}{}
	err := <-ended
	require.Error(t, err)
	require.NotErrorIs(t, err, state.ErrConflict)
	require.Equal(t, "after", value(t, s, "k"))
	_, err = slow.Commit(t.Context(), &state.Changes{Writes: []state.Write{put("k", "again")}})
	require.NoError(t, err, "the store has another connection")
}
