package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// rate has n goroutines call do, one call after the other, each of which gives the messages that it
// has dealt with, until more says that it is enough, given their sum. It gives the messages a second.
func rate(ctx context.Context, n int, more func(sum int64) bool, do func(context.Context) (int, error)) (float64, error) {
	var (
		wg      sync.WaitGroup
		sum     atomic.Int64
		once    sync.Once
		problem error
	)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	begun := time.Now()
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil && more(sum.Load()) {
				got, err := do(ctx)
				if err != nil {
					once.Do(func() { problem = err })
					cancel()
				}
				sum.Add(int64(got))
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	if problem == nil {
		problem = ctx.Err()
	}
	return float64(sum.Load()) / took.Seconds(), problem
}

// until lets a load go on for a time.
func until(d time.Duration) func(int64) bool {
	end := time.Now().Add(d)
	return func(int64) bool { return time.Now().Before(end) }
}

// upTo lets a load go on for so many messages.
func upTo(n int) func(int64) bool { return func(sum int64) bool { return sum < int64(n) } }
