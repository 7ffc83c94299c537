package sources

import (
	"context"
	"io"
	"iter"
	"time"
)

// feed is where the values of a [Memory] source come from. The goroutine that reads owns it.
type feed[T any] interface {
	// next gives 1 to n values, waiting for the first if need be; io.EOF at the end, again and
	// again.
	next(ctx context.Context, n int) ([]T, error)
	// channel is what next would wait for; nil if it never waits.
	channel() <-chan T
	// stop ends the feed; next is not called afterwards.
	stop()
}

// sliceFeed gives parts of the slice itself.
type sliceFeed[T any] struct{ rest []T }

func (f *sliceFeed[T]) next(_ context.Context, n int) ([]T, error) {
	if len(f.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.rest))
	values := f.rest[:n:n]
	f.rest = f.rest[n:]
	return values, nil
}

func (f *sliceFeed[T]) channel() <-chan T { return nil }
func (f *sliceFeed[T]) stop()             {}

// channelFeed waits for one value and takes what else is there.
type channelFeed[T any] struct{ c <-chan T }

func (f *channelFeed[T]) next(ctx context.Context, n int) ([]T, error) {
	select {
	case v, ok := <-f.c:
		if !ok {
			return nil, io.EOF
		}
		return f.more(v, n), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// more takes, after the first value, what can be had without waiting.
func (f *channelFeed[T]) more(first T, n int) []T {
	values := append(make([]T, 0, min(n, 1+len(f.c))), first)
	for len(values) < n {
		select {
		case v, ok := <-f.c:
			if !ok {
				return values
			}
			values = append(values, v)
		default:
			return values
		}
	}
	return values
}

func (f *channelFeed[T]) channel() <-chan T { return f.c }
func (f *channelFeed[T]) stop()             {}

// seqPatience is how long an iterator may take for the values of one read before fewer are asked
// of it at a time.
const seqPatience = time.Millisecond

// seqFeed pulls from an iterator: one value at first, and twice as many each time that this did not
// take long, so that a slow iterator's values do not wait for one another.
type seqFeed[T any] struct {
	pull func() (T, bool)
	end  func()
	size int
}

func newSeqFeed[T any](seq iter.Seq[T], skip int) *seqFeed[T] {
	f := &seqFeed[T]{size: 1}
	f.pull, f.end = iter.Pull(seq)
	for range skip {
		f.pull()
	}
	return f
}

func (f *seqFeed[T]) next(_ context.Context, n int) ([]T, error) {
	n = min(n, f.size)
	values := make([]T, 0, n)
	began := time.Now()
	for len(values) < n {
		v, ok := f.pull()
		if !ok {
			break
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, io.EOF
	}
	f.size = 1
	if time.Since(began) < seqPatience {
		f.size = 2 * n
	}
	return values, nil
}

func (f *seqFeed[T]) channel() <-chan T { return nil }
func (f *seqFeed[T]) stop()             { f.end() }
