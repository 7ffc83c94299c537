package client

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/internal/pacing"
)

// burst is how much of what was not used is kept for later.
const burst = 100 * time.Millisecond

// A rateLimit bounds how many messages are asked for. It is a token bucket, as in golang.org/x/time/rate,
// from which it differs in one point: a poll takes tokens for all it may bring, long before it is known
// how many messages it brings, and gives back those that it has not used. The nil rateLimit has no limit.
type rateLimit struct {
	rate float64 // tokens a second

	mu     sync.Mutex // guards what follows
	tokens float64
	filled time.Time // when tokens was true
}

func newRateLimit(rate float64) *rateLimit {
	if rate == 0 || math.IsInf(rate, 1) {
		return nil
	}
	l := &rateLimit{rate: rate, filled: time.Now()}
	l.tokens = l.most()
	return l
}

// most is how many tokens there can be.
func (l *rateLimit) most() float64 { return max(1, l.rate*burst.Seconds()) }

// take waits until at least one message may come, and returns how many may, at most n.
func (l *rateLimit) take(ctx context.Context, n int) (int, error) {
	if l == nil {
		return n, nil
	}
	for {
		taken, wait := l.try(n)
		if taken > 0 {
			return taken, nil
		}
		if err := pacing.Wait(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// try takes what there is, if it is worth a poll; otherwise it returns how long that takes to gather.
func (l *rateLimit) try(n int) (int, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.tokens = min(l.most(), l.tokens+l.rate*now.Sub(l.filled).Seconds())
	l.filled = now
	worth := min(float64(n), math.Floor(l.most()))
	if l.tokens < worth {
		missing := time.Duration((worth - l.tokens) / l.rate * float64(time.Second))
		return 0, missing + time.Microsecond // rounded up, so that it suffices
	}
	taken := min(float64(n), math.Floor(l.tokens))
	l.tokens -= taken
	return int(taken), 0
}

func (l *rateLimit) giveBack(n int) {
	if l == nil || n <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = min(l.most(), l.tokens+float64(n))
}
