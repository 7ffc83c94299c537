package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// eager is how many requests of one topic begin before messages wait for one of them to end.
const eager = 2

// A gate holds up the requests of a server until it is opened, and keeps what came.
type gate struct {
	*network
	opened chan struct{}

	mu       sync.Mutex // guards requests
	requests [][]string // bodies
	ended    int        // requests that were given up while they were held up
}

// atGate runs a test with a server behind a gate, and a producer that has sent eager messages, which
// are being held up.
func atGate(t *testing.T, test func(g *gate, p *client.Producer), opts ...client.ProducerOption) {
	t.Helper()
	onNetwork(t, single, func(n *network) {
		g := newGate(n)
		p := n.producer(opts...)
		g.send(p, "first", eager)
		synctest.Wait()
		test(g, p)
	})
}

func newGate(n *network) *gate {
	g := &gate{network: n, opened: make(chan struct{})}
	well := n.at(single[0]).send
	n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		g.note(q)
		select {
		case <-g.opened:
			return well(ctx, q)
		case <-ctx.Done():
			g.mu.Lock()
			defer g.mu.Unlock()
			g.ended++
			return nil, ctx.Err()
		}
	}
	return g
}

func (g *gate) note(q *v2.SendMessageRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var got []string
	for _, m := range q.GetMessages() {
		got = append(got, string(m.GetBody()))
	}
	g.requests = append(g.requests, got)
}

// sizes are those of the requests that came after the first ones.
func (g *gate) sizes() []int { return g.allSizes()[eager:] }

func (g *gate) allSizes() []int {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	var sizes []int
	for _, r := range g.requests {
		sizes = append(sizes, len(r))
	}
	return sizes
}

// send calls Send n times at once, and returns where the errors come.
func (g *gate) send(p *client.Producer, name string, n int) <-chan error {
	results := make(chan error, n)
	for i := range n {
		go func() {
			_, err := p.Send(g.Context(), message("orders", fmt.Sprint(name, i)))
			results <- err
		}()
	}
	return results
}

func (g *gate) allStored(results <-chan error) {
	g.Helper()
	for range cap(results) {
		require.NoError(g, <-results)
	}
}

func TestSend_GoesByItselfWhileLittleIsUnderWay(t *testing.T) {
	atGate(t, func(g *gate, _ *client.Producer) {
		require.Len(g, g.requests, eager)
		close(g.opened)
	})
}

func TestSend_GoesWithOthersWhenMuchIsUnderWay(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := g.send(p, "x", 20)
		require.Empty(g, g.sizes())
		close(g.opened)
		g.allStored(results)
		require.Equal(g, []int{20}, g.sizes())
	})
}

func TestSend_JoinsMessagesOfSendAsync(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := g.send(p, "x", 2)
		p.SendAsync(g.Context(), message("orders", "async"), nil)
		require.Empty(g, g.sizes())
		close(g.opened)
		g.allStored(results)
		require.NoError(g, p.Flush(g.Context()))
		require.Equal(g, []int{3}, g.sizes())
	})
}

func TestSend_WaitsForNoRequestThatTakesLong(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		time.Sleep(2 * time.Millisecond)
		results := g.send(p, "x", 2)
		time.Sleep(3*time.Millisecond - 1)
		require.Empty(g, g.sizes())
		time.Sleep(time.Nanosecond)
		require.Equal(g, []int{2}, g.sizes())
		close(g.opened)
		g.allStored(results)
	})
}

func TestSend_WaitsForALargeRequestEvenIfItIsTheOnlyOne(t *testing.T) {
	for name, c := range map[string]struct {
		waiting int
		sizes   []int // of the requests, while the one for those that waited is under way
	}{
		"large": {20, []int{1, 1, 20}},
		"small": {10, []int{1, 1, 10, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, single, func(n *network) {
				g := newGate(n)
				close(g.opened)
				inner := n.at(single[0]).send
				n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
					defer time.Sleep(2 * time.Millisecond)
					return inner(ctx, q)
				}
				p := n.producer()
				first := g.send(p, "first", eager+c.waiting)
				synctest.Wait()
				time.Sleep(3 * time.Millisecond)
				last := g.send(p, "last", 1)
				require.Equal(g, c.sizes, g.allSizes())
				g.allStored(first)
				g.allStored(last)
				require.Len(g, g.allSizes(), 4)
			})
		})
	}
}

func TestSend_DoesNotHoldBackAFullRequest(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := g.send(p, "x", 600)
		require.Equal(g, []int{256, 256}, g.sizes())
		close(g.opened)
		g.allStored(results)
		require.Equal(g, []int{256, 256, 88}, g.sizes())
	})
}

func TestSend_DoesNotHoldBackARequestThatIsFullInBytes(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := make(chan error, 5)
		for range cap(results) {
			go func() {
				_, err := p.Send(g.Context(), &client.Message{Topic: "orders", Body: make([]byte, 1<<20)})
				results <- err
			}()
		}
		require.Equal(g, []int{3}, g.sizes())
		close(g.opened)
		g.allStored(results)
		require.Equal(g, []int{3, 2}, g.sizes())
	})
}

func TestSend_GoesByItselfIfItMayNotJoin(t *testing.T) {
	for name, m := range map[string]*client.Message{
		"of a message group": {Topic: "orders", Body: []byte("x"), MessageGroup: "g"},
		"of another topic":   message("bills", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			atGate(t, func(g *gate, p *client.Producer) {
				go func() { _, _ = p.Send(g.Context(), m) }()
				require.Equal(g, []int{1}, g.sizes())
				close(g.opened)
			})
		})
	}
}

func TestSend_GoesByItselfWithoutBatching(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := g.send(p, "x", 3)
		for range 3 {
			p.SendAsync(g.Context(), message("orders", "y"), nil)
		}
		require.Equal(g, []int{1, 1, 1, 1, 1, 1}, g.sizes())
		close(g.opened)
		g.allStored(results)
	}, client.WithoutBatching())
}

func TestSend_LeavesUnsentWhenItsContextEndsWhileItWaits(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		ctx, cancel := context.WithCancel(g.Context())
		left := make(chan error, 1)
		go func() {
			_, err := p.Send(ctx, message("orders", "left"))
			left <- err
		}()
		results := g.send(p, "x", 2)
		synctest.Wait()
		cancel()
		err := <-left
		require.ErrorIs(g, err, context.Canceled)
		require.ErrorIs(g, err, client.ErrNotSent)
		require.EqualError(g, err, `client: send "orders": not sent: context canceled`)
		close(g.opened)
		g.allStored(results)
		require.Equal(g, []int{2}, g.sizes())
		require.NotContains(g, slices.Concat(g.requests...), "left")
	})
}

func TestSend_LeavesARequestToTheOthersWhenItsContextEnds(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		ctx, cancel := context.WithCancel(g.Context())
		left := make(chan error, 2)
		go func() {
			_, err := p.Send(ctx, message("orders", "left"))
			left <- err
		}()
		synctest.Wait()
		p.SendAsync(ctx, message("orders", "left"), func(_ client.Receipt, err error) { left <- err })
		results := g.send(p, "x", 1)
		time.Sleep(5 * time.Millisecond)
		require.Equal(g, []int{3}, g.sizes())
		cancel()
		for range 2 {
			err := <-left
			require.ErrorIs(g, err, context.Canceled)
			require.NotErrorIs(g, err, client.ErrNotSent, "it is not known")
		}
		close(g.opened)
		g.allStored(results)
		require.Zero(g, g.ended)
	})
}

func TestSend_GivesUpARequestThatAllHaveLeft(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := make(chan error, 3)
		var cancels []func()
		for range cap(results) {
			ctx, cancel := context.WithCancel(g.Context())
			cancels = append(cancels, cancel)
			go func() {
				_, err := p.Send(ctx, message("orders", "x"))
				results <- err
			}()
		}
		time.Sleep(5 * time.Millisecond)
		require.Equal(g, []int{3}, g.sizes())
		for _, cancel := range cancels {
			require.Zero(g, g.ended)
			cancel()
			synctest.Wait()
			err := <-results
			require.ErrorIs(g, err, context.Canceled)
			require.NotErrorIs(g, err, client.ErrNotSent, "it is not known")
		}
		require.Equal(g, 1, g.ended)
		close(g.opened)
	})
}

func TestSend_DoesNotSufferFromAPoisonMessageNextToIt(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		well := n.at(single[0]).send
		n.at(single[0]).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			time.Sleep(time.Millisecond)
			for _, m := range q.GetMessages() {
				if string(m.GetBody()) == "poison" {
					return &v2.SendMessageResponse{Status: code(v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY)}, nil
				}
			}
			return well(ctx, q)
		}
		p := n.producer()
		results, poisoned := make(chan error, 50), make(chan error, 1)
		for i := range cap(results) {
			go func() {
				_, err := p.Send(n.Context(), message("orders", "x"))
				results <- err
			}()
			if i == 30 {
				go func() {
					_, err := p.Send(n.Context(), message("orders", "poison"))
					poisoned <- err
				}()
			}
		}
		require.ErrorIs(n, <-poisoned, client.ErrIllegalProperty)
		for range cap(results) {
			require.NoError(n, <-results)
		}
	})
}

func TestClose_WaitsForMessagesThatWaitForRequests(t *testing.T) {
	atGate(t, func(g *gate, p *client.Producer) {
		results := g.send(p, "x", 3)
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		close(g.opened)
		require.NoError(g, <-closed)
		g.allStored(results)
	})
}

func TestWithLinger_WaitsForOthers(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		g := newGate(n)
		close(g.opened)
		p := n.producer(client.WithLinger(time.Second))
		send := func(count int) {
			for range count {
				p.SendAsync(n.Context(), message("orders", "x"), nil)
				time.Sleep(time.Millisecond)
			}
		}
		start := time.Now()
		send(1)
		_, err := p.Send(n.Context(), message("orders", "x"))
		require.NoError(n, err)
		require.Equal(n, time.Second, time.Since(start))
		require.Equal(n, []int{2}, g.allSizes())

		send(256 + 3)
		require.Equal(n, []int{2, 256}, g.allSizes(), "a full request does not wait")
		time.Sleep(time.Second)
		require.Equal(n, []int{2, 256, 3}, g.allSizes())

		send(4)
		start = time.Now()
		require.NoError(n, p.Flush(n.Context()))
		send(5)
		require.NoError(n, p.Close())
		require.Less(n, time.Since(start), time.Second)
		require.Equal(n, []int{2, 256, 3, 4, 5}, g.allSizes())
	})
}

func TestNewProducer_RefusesALingerThatCannotBe(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		_, err := n.client.NewProducer(client.WithLinger(-1))
		require.ErrorContains(n, err, "WithLinger: must not be negative")
		_, err = n.client.NewProducer(client.WithLinger(1), client.WithoutBatching())
		require.ErrorContains(n, err, "WithLinger: excludes WithoutBatching")
	})
}
