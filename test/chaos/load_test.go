package chaos

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// A load is numbered messages that are sent without end by several goroutines, each its own sequence,
// and what has become of them.
type load struct {
	*testing.T
	producer *client.Producer
	topic    string
	grouped  bool // each sequence is a message group
	stop     context.CancelFunc
	wg       sync.WaitGroup

	mu       sync.Mutex
	stored   []int       // of each sequence: the messages that the server has confirmed
	times    []time.Time // of the confirmations
	failures int
}

// startLoad sends until it is ended.
func startLoad(c *cluster, p *client.Producer, topic string, sequences int, grouped bool) *load {
	ctx, stop := context.WithCancel(c.Context())
	l := &load{T: c.T, producer: p, topic: topic, grouped: grouped, stop: stop, stored: make([]int, sequences)}
	for i := range sequences {
		l.wg.Go(func() { l.send(ctx, i) })
	}
	return l
}

// send sends a sequence, each message until the server has confirmed it.
func (l *load) send(ctx context.Context, sequence int) {
	for n := 0; ctx.Err() == nil; {
		m := &client.Message{Topic: l.topic, Body: fmt.Append(nil, sequence, "/", n)}
		if l.grouped {
			m.MessageGroup = fmt.Sprint("g", sequence)
		}
		_, err := l.producer.Send(ctx, m)
		l.mu.Lock()
		if err == nil {
			n++
			l.stored[sequence] = n
			l.times = append(l.times, time.Now())
		} else {
			l.failures++
		}
		l.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
}

// end stops sending and returns how many messages of each sequence are stored.
func (l *load) end() []int {
	l.stop()
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stored
}

func (l *load) confirmations() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.times)
}

// A consumption is what one consumer group has seen of a load.
type consumption struct {
	name string

	mu     sync.Mutex
	seen   []map[int]bool // of each sequence
	next   []int          // of each sequence: what has to come next at the latest
	out    []string       // what came out of order
	again  int            // deliveries of what had been seen
	times  []time.Time
	wanted []int // once the load has ended
	whole  chan struct{}
}

func newConsumption(name string, sequences int) *consumption {
	c := &consumption{name: name, seen: make([]map[int]bool, sequences), next: make([]int, sequences), whole: make(chan struct{})}
	for i := range c.seen {
		c.seen[i] = make(map[int]bool)
	}
	return c
}

// consume notes a message. In order, a message may come again, but none comes before the one before it.
func (c *consumption) consume(m *client.Message) {
	sequence, number := parse(string(m.Body))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, time.Now())
	if number > c.next[sequence] {
		c.out = append(c.out, fmt.Sprintf("%s at %d", m.Body, c.next[sequence]))
	}
	c.next[sequence] = max(c.next[sequence], number+1)
	if c.seen[sequence][number] {
		c.again++
	}
	c.seen[sequence][number] = true
	c.checkLocked()
}

func parse(body string) (sequence, number int) {
	first, second, _ := strings.Cut(body, "/")
	sequence, _ = strconv.Atoi(strings.TrimSpace(first))
	number, _ = strconv.Atoi(strings.TrimSpace(second))
	return sequence, number
}

// expect says what was stored, so that whole is closed when all has been seen.
func (c *consumption) expect(stored []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = stored
	c.checkLocked()
}

func (c *consumption) checkLocked() {
	if c.wanted == nil || c.missingLocked() != "" {
		return
	}
	select {
	case <-c.whole:
	default:
		close(c.whole)
	}
}

func (c *consumption) missingLocked() string {
	var missing []string
	for sequence, n := range c.wanted {
		for i := range n {
			if !c.seen[sequence][i] {
				missing = append(missing, fmt.Sprint(sequence, "/", i))
			}
		}
	}
	if len(missing) > 10 {
		missing = append(missing[:10], fmt.Sprint("and ", len(missing)-10, " more"))
	}
	return strings.Join(missing, " ")
}

// requireWhole waits until all that was stored has been seen.
func (c *consumption) requireWhole(t *testing.T, stored []int) {
	t.Helper()
	c.expect(stored)
	select {
	case <-c.whole:
	case <-time.After(patience):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.missingLocked(), "never seen by the %s", c.name)
	t.Logf("%s: all of %d messages, %d of them once more", c.name, len(c.times)-c.again, c.again)
}

func (c *consumption) requireOrder(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.out, "out of order at the %s", c.name)
}

func (c *consumption) deliveries() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.times)
}

// resumed returns how long after a proxy was back the first of times after the kill is. What happened
// at once after the kill was under way still.
func resumed(t *testing.T, what string, times []time.Time, killed, back time.Time) time.Duration {
	t.Helper()
	dead := killed.Add(500 * time.Millisecond)
	for _, at := range times {
		if at.After(dead) {
			d := max(0, at.Sub(back))
			t.Logf("%s resumed %v after the proxy answered again", what, d.Round(time.Millisecond))
			return d
		}
	}
	require.Fail(t, what+" did not resume")
	return 0
}
