package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// sendFor has n goroutines call send, one call after the other, for a time, and returns the messages a
// second, each call counted as so many. Calls under way at the end are waited for and counted.
func sendFor(ctx context.Context, d time.Duration, n, each int, send func(context.Context) error) (float64, error) {
	var (
		wg      sync.WaitGroup
		count   atomic.Int64
		over    atomic.Bool
		problem firstError
	)
	begun := time.Now()
	end := time.AfterFunc(d, func() { over.Store(true) })
	defer end.Stop()
	for range n {
		wg.Go(func() {
			for !over.Load() {
				if err := send(ctx); err != nil {
					problem.note(err)
					over.Store(true)
					return
				}
				count.Add(int64(each))
			}
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds(), problem.get()
}

// consume has n goroutines call receive, which consumes some messages and says how many, until there
// were enough of them, and returns the messages a second.
func consume(ctx context.Context, n, enough int, receive func(context.Context) (int, error)) (float64, error) {
	var (
		wg      sync.WaitGroup
		count   atomic.Int64
		problem firstError
	)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	begun := time.Now()
	for range n {
		wg.Go(func() {
			for count.Load() < int64(enough) {
				got, err := receive(ctx)
				if err != nil {
					problem.note(err)
					cancel()
					return
				}
				count.Add(int64(got))
			}
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds(), problem.get()
}

// A meter takes the time of a push consumer between the first message and the last that is wanted.
type meter struct {
	enough int64
	count  atomic.Int64
	begun  atomic.Int64 // in nanoseconds since zero
	zero   time.Time
	done   chan float64
}

func newMeter(enough int) *meter {
	return &meter{enough: int64(enough), zero: time.Now(), done: make(chan float64, 1)}
}

// tick counts a message, and says whether it is wanted.
func (m *meter) tick() bool {
	n := m.count.Add(1)
	if n == 1 {
		m.begun.Store(int64(time.Since(m.zero)))
	}
	if n == m.enough {
		took := time.Since(m.zero) - time.Duration(m.begun.Load())
		m.done <- float64(n-1) / took.Seconds()
	}
	return n <= m.enough
}

// rate waits for the last message.
func (m *meter) rate(ctx context.Context) (float64, error) {
	select {
	case r := <-m.done:
		return r, nil
	case <-time.After(time.Minute):
		return 0, errors.New("bench: a push consumer does not get all messages within a minute")
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// firstError keeps the first of several errors.
type firstError struct {
	mu  sync.Mutex // guards err
	err error
}

func (f *firstError) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
