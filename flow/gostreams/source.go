package gostreams

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/reugn/go-streams"
)

// Source is a source of rocketflow as a streams.Source. [SourceOf] and [NewSource] make it. It runs
// from when its output is asked for, by Out or Via.
type Source struct {
	out   chan any
	run   func() error // sends to out, and returns what ended that
	after func() error // waits for what was handed out, once out is closed
	end   func() error // for Close
	once  sync.Once
	sent  chan struct{} // closed before out is
	done  chan struct{}
	err   error // what ended the sending; written before sent is closed
	late  error // what went wrong after that; written before done is closed
}

var _ streams.Source = (*Source)(nil)

func newSource(run func(out chan<- any) error) *Source {
	s := &Source{out: make(chan any), sent: make(chan struct{}), done: make(chan struct{})}
	s.run = func() error { return run(s.out) }
	s.after, s.end = func() error { return nil }, func() error { return nil }
	return s
}

// Out gives the output, and starts the source.
func (s *Source) Out() <-chan any {
	s.once.Do(func() { go s.loop() }) // ends with the source's context, or when there is no more
	return s.out
}

// Via sends what the source gives to a flow, and returns the flow.
func (s *Source) Via(next streams.Flow) streams.Flow {
	out := s.Out()
	go transmit(out, next) // ends when out is closed, by this source
	return next
}

// Err gives what ended the source, once its output is closed; nil before, and if it had no more or
// its context ended.
func (s *Source) Err() error {
	select {
	case <-s.sent:
		return s.err
	default:
		return nil
	}
}

// Wait waits until the source has ended, which must have been started, and gives Err, and what went
// wrong after that. A source made by [SourceOf] ends when what it handed out is settled, or given up.
func (s *Source) Wait() error {
	<-s.done
	return errors.Join(s.err, s.late)
}

// Close ends what the source needs for settling what it handed out: call it when that is settled.
// The context is to have ended, or the output to be closed; Close waits for the source.
func (s *Source) Close() error {
	s.once.Do(func() { // never started
		close(s.sent)
		close(s.out)
		close(s.done)
	})
	<-s.done
	return s.end()
}

func (s *Source) loop() {
	defer close(s.done)
	s.err = s.run()
	close(s.sent) // first, so that who sees the end of the output can ask for its reason
	close(s.out)
	s.late = s.after()
}

// offered is what became of an element that was offered.
type offered int

const (
	taken offered = iota
	expired
	stopped
)

// offer waits until someone takes an element, its lease ends (if expires is not zero), or ctx does.
func offer(ctx context.Context, out chan<- any, e any, expires time.Time) offered {
	if ctx.Err() != nil {
		return stopped // though someone may be ready to take it
	}
	var lease <-chan time.Time
	if !expires.IsZero() {
		left := time.Until(expires)
		if left <= 0 {
			return expired
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		lease = timer.C
	}
	select {
	case out <- e:
		return taken
	case <-lease:
		return expired
	case <-ctx.Done():
		return stopped
	}
}

// ended drops the error of a context that ended: that is how a source is stopped.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}
