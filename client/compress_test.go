package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

// A requestLog is the requests that a server has been sent, which it answers as it did before.
type requestLog struct {
	mu       sync.Mutex // guards requests
	requests [][]*v2.Message
}

func (n *network) logSends(address string) *requestLog {
	l := &requestLog{}
	inner := n.at(address).send
	n.at(address).send = func(ctx context.Context, q *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
		l.mu.Lock()
		l.requests = append(l.requests, q.GetMessages())
		l.mu.Unlock()
		return inner(ctx, q)
	}
	return l
}

// sizes returns how many messages each request had, in order.
func (l *requestLog) sizes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int
	for _, messages := range l.requests {
		out = append(out, len(messages))
	}
	return out
}

// bodies returns the bodies, in order.
func (l *requestLog) bodies() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, m := range slices.Concat(l.requests...) {
		out = append(out, string(m.GetBody()))
	}
	return out
}

func (l *requestLog) last() *v2.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := l.requests[len(l.requests)-1]
	return messages[len(messages)-1]
}

func TestCompression_MakesLargeBodiesSmallerIfItCan(t *testing.T) {
	noise := make([]byte, 1000)
	_, _ = rand.Read(noise)
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		p := n.producer(client.WithCompression(100))
		for name, c := range map[string]struct {
			body     []byte
			encoding v2.Encoding
		}{
			"long":                {[]byte(strings.Repeat("a", 1000)), v2.Encoding_GZIP},
			"as the threshold":    {[]byte(strings.Repeat("a", 100)), v2.Encoding_GZIP},
			"below the threshold": {[]byte(strings.Repeat("a", 99)), v2.Encoding_IDENTITY},
			"noise":               {noise, v2.Encoding_IDENTITY},
		} {
			_, err := p.Send(n.Context(), &client.Message{Topic: "orders", Body: c.body})
			require.NoError(n, err)
			sent := requests.last()
			require.Equal(n, c.encoding, sent.GetSystemProperties().GetBodyEncoding(), name)
			if c.encoding == v2.Encoding_IDENTITY {
				require.Equal(n, c.body, sent.GetBody(), name)
			} else {
				require.Less(n, len(sent.GetBody()), len(c.body), name)
			}
		}
		_, err := n.producer().Send(n.Context(), message("orders", strings.Repeat("a", 1<<20)))
		require.NoError(n, err)
		require.Equal(n, v2.Encoding_IDENTITY, requests.last().GetSystemProperties().GetBodyEncoding(), "off unless asked for")
	})
}

func TestCompression_ArrivesAsItWasGiven(t *testing.T) {
	inBubble(t, func(r *rig) {
		const messages = 64
		p := r.producer(client.WithCompression(client.DefaultCompression), client.WithSenders(8))
		want := make(map[string]string)
		for i := range messages {
			m := message("orders", strings.Repeat(fmt.Sprint("message ", i, " "), 500+i))
			want[string(m.Body)] = ""
			p.SendAsync(r.Context(), m, func(_ client.Receipt, err error) { require.NoError(r, err) })
		}
		require.NoError(r, p.Flush(r.Context()))
		for _, d := range r.receive(r.consumer("G", "orders"), messages) {
			require.NoError(r, d.Err)
			require.Contains(r, want, string(d.Body))
			delete(want, string(d.Body))
		}
		require.Empty(r, want)
	})
}

func TestCompression_SharesNoRequest(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		long := strings.Repeat("a", 1000)
		batch := []*client.Message{
			message("orders", "a"), message("orders", long), message("orders", "b"), message("orders", long), message("orders", "c"),
		}
		p := n.producer(client.WithCompression(100), client.WithSenders(1))
		receipts, err := p.SendBatch(n.Context(), batch)
		require.NoError(n, err)
		require.Len(n, receipts, 5)
		require.ElementsMatch(n, []int{1, 1, 3}, requests.sizes())
		for _, m := range batch {
			p.SendAsync(n.Context(), m, nil)
		}
		require.NoError(n, p.Flush(n.Context()))
		for _, messages := range requests.requests {
			for _, m := range messages {
				require.True(n, len(messages) == 1 || m.GetSystemProperties().GetBodyEncoding() == v2.Encoding_IDENTITY)
			}
		}
	})
}

func TestCompression_CountsWhatIsStored(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		requests := n.logSends(single[0])
		large := &client.Message{Topic: "orders", Body: bytes.Repeat([]byte("a"), 5<<20)}
		_, err := n.producer(client.WithCompression(100)).Send(n.Context(), large)
		require.NoError(n, err)
		require.Less(n, len(requests.last().GetBody()), 1<<20)
		_, err = n.producer().Send(n.Context(), large)
		require.ErrorIs(n, err, client.ErrBodyTooLarge)
		bomb := &client.Message{Topic: "orders", Body: make([]byte, 256<<20+1)}
		_, err = n.producer(client.WithCompression(100)).Send(n.Context(), bomb)
		require.ErrorIs(n, err, client.ErrBodyTooLarge, "no consumer would decompress it")
	})
}

func TestSend_RepeatsTheSameMessage(t *testing.T) {
	onNetwork(t, single, func(n *network) {
		n.at(single[0]).send = func(context.Context, *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
			return &v2.SendMessageResponse{Status: code(v2.Code_INTERNAL_SERVER_ERROR)}, nil
		}
		requests := n.logSends(single[0])
		p := n.producer(client.WithCompression(10), client.WithTransactionChecker(undecided), client.WithMaxAttempts(2))
		tx := n.begin(p, client.WithRecoveryAfter(client.DefaultRequestTimeout))
		_, err := tx.Send(n.Context(), message("orders", strings.Repeat("a", 100)))
		require.ErrorIs(n, err, client.ErrInternal)
		require.Equal(n, []int{1, 1}, requests.sizes())
		first, second := requests.requests[0][0], requests.requests[1][0]
		require.Equal(n, first.GetBody(), second.GetBody())
		f, s := first.GetSystemProperties(), second.GetSystemProperties()
		require.Equal(n, v2.Encoding_GZIP, s.GetBodyEncoding())
		require.Equal(n, f.GetMessageId(), s.GetMessageId())
		require.Equal(n, v2.MessageType_TRANSACTION, s.GetMessageType())
		require.Equal(n, client.DefaultRequestTimeout, s.GetOrphanedTransactionRecoveryDuration().AsDuration())
		require.True(n, s.GetBornTimestamp().AsTime().After(f.GetBornTimestamp().AsTime()), "the time is that of the attempt")
	})
}
