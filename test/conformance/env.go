package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// Env is what a row works with. It serves testify's require as its TestingT: a failed requirement
// ends the row. It belongs to the row's goroutine, except where a method says otherwise.
type Env struct {
	whole  context.Context // of the run
	ctx    context.Context // of the row, with its deadline
	server target.Server
	conn   *grpc.ClientConn
	prefix string
	last   int
	lanes  *lanes
	solo   bool // the row has all lanes

	mu      sync.Mutex // guards what follows
	failure string     // of the first failed requirement
	skipped string
	branch  string
	cleanup []func()
}

// Errorf notes a failure. It may be called from any goroutine.
func (e *Env) Errorf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == "" {
		e.failure = fmt.Sprintf(format, args...)
	}
}

// FailNow ends the row.
func (e *Env) FailNow() { runtime.Goexit() }

// Skip ends the row, which does not apply to the server for the given reason.
func (e *Env) Skip(reason string) {
	e.mu.Lock()
	e.skipped = reason
	e.mu.Unlock()
	runtime.Goexit()
}

// Saw reports which of several accepted behaviours the server showed.
func (e *Env) Saw(branch string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.branch = branch
}

// Stop ends the row, which has seen a behaviour that leaves nothing more to see.
func (e *Env) Stop(branch string) {
	e.Saw(branch)
	runtime.Goexit()
}

// sawOne reports the behaviour by its name, and fails the row for one that has none.
func sawOne[K comparable](e *Env, behaviour K, names map[K]string) {
	name, ok := names[behaviour]
	require.True(e, ok, "behaviour %v, want one of %v", behaviour, names)
	e.Saw(name)
}

// Cleanup has f called when the row has ended, the last one first.
func (e *Env) Cleanup(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cleanup = append(e.cleanup, f)
}

// Sleep lets time pass on the server.
func (e *Env) Sleep(d time.Duration) {
	select {
	case <-e.ctx.Done():
		require.NoError(e, e.ctx.Err())
	case <-time.After(d):
	}
}

// Indexed waits until the topic has n messages that can be received: the server answers a send
// before a receive finds the message, and a row that wants two in one answer must not be too early.
func (e *Env) Indexed(topic string, n int64) {
	for {
		stored, err := e.server.Stored(e.ctx, topic)
		require.NoError(e, err)
		if stored >= n {
			return
		}
		e.Sleep(10 * time.Millisecond)
	}
}

// Alone waits until all rows that run have ended, and lets no other run until this one has. It is for
// rows that change the server.
func (e *Env) Alone() {
	e.lanes.clear()
	e.solo = true
	ctx, cancel := context.WithTimeout(e.whole, aloneTimeout)
	e.ctx = ctx // the time of the others is not the row's
	e.Cleanup(cancel)
}

// leave lets other rows run.
func (e *Env) leave() {
	if e.solo {
		e.lanes.restore()
		return
	}
	e.lanes.leave()
}

// Topic creates a topic of a message type, such as NORMAL, and returns its name.
func (e *Env) Topic(messageType string, queues int) string {
	return e.TopicOf(target.Topic{Type: messageType, Queues: queues})
}

// TopicOf creates the topic under a new name, which it returns.
func (e *Env) TopicOf(t target.Topic) string {
	t.Name = e.Name("topic")
	require.NoError(e, e.server.CreateTopic(e.ctx, t))
	return t.Name
}

// Group creates a consumer group and returns its name.
func (e *Env) Group() string { return e.GroupOf(target.Group{RetryMaxTimes: 16}) }

// OrderedGroup creates a consumer group that reads each queue in order and returns its name.
func (e *Env) OrderedGroup() string { return e.GroupOf(target.Group{Ordered: true, RetryMaxTimes: 16}) }

// GroupOf creates the group under a new name, which it returns.
func (e *Env) GroupOf(g target.Group) string {
	g.Name = e.Name("group")
	require.NoError(e, e.server.CreateGroup(e.ctx, g))
	return g.Name
}

// Name returns a name that nothing on the server has.
func (e *Env) Name(kind string) string {
	e.last++
	return fmt.Sprintf("%s-%s-%d", e.prefix, kind, e.last)
}

// DialTLS returns a connection to the server's port over TLS, whose certificate is not verified.
func (e *Env) DialTLS() *grpc.ClientConn {
	conn, err := e.server.Dial(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}))
	require.NoError(e, err)
	e.Cleanup(func() { require.NoError(e, conn.Close()) })
	return conn
}

// close runs the cleanups.
func (e *Env) close() {
	for {
		e.mu.Lock()
		n := len(e.cleanup)
		if n == 0 {
			e.mu.Unlock()
			return
		}
		f := e.cleanup[n-1]
		e.cleanup = e.cleanup[:n-1]
		e.mu.Unlock()
		f()
	}
}
