package thirdparty

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Mailbox is a source of letters in memory. A letter that failed comes again after a delay; one that
// was handed back, at once. It goes on in the next run with what is not done.
type Mailbox[T any] struct {
	delay time.Duration
	news  chan struct{} // something has changed, for the reader

	mu      sync.Mutex // guards what follows
	letters []*letter[T]
	sealed  bool // no letter will come
}

// letter is a value that is not done.
type letter[T any] struct {
	id      int
	value   T
	attempt int
	out     bool
	ready   time.Time
}

// NewMailbox makes a mailbox whose letters come again after a delay when they failed.
func NewMailbox[T any](delay time.Duration) *Mailbox[T] {
	return &Mailbox[T]{delay: delay, news: make(chan struct{}, 1)}
}

var (
	_ stage.Source[int]     = (*Mailbox[int])(nil)
	_ stage.SourceDescriber = (*Mailbox[int])(nil)
	_ stage.Reader[int]     = (*mailReader[int])(nil)
	_ stage.Settler         = (*mail[int])(nil)
)

// Put adds letters.
func (m *Mailbox[T]) Put(values ...T) {
	m.mu.Lock()
	for _, v := range values {
		m.letters = append(m.letters, &letter[T]{id: len(m.letters) + 1, value: v})
	}
	m.mu.Unlock()
	m.tell()
}

// Seal says that no more letters will come, so that a run ends when all are done.
func (m *Mailbox[T]) Seal() {
	m.mu.Lock()
	m.sealed = true
	m.mu.Unlock()
	m.tell()
}

// Left gives the letters that are not done.
func (m *Mailbox[T]) Left() (values []T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l != nil {
			values = append(values, l.value)
		}
	}
	return values
}

func (m *Mailbox[T]) tell() {
	select {
	case m.news <- struct{}{}:
	default: // the reader has not taken the last news
	}
}

// SourceTraits says that what failed comes again.
func (m *Mailbox[T]) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Name: "mailbox", Redelivers: true, Immediate: true}
}

// Open gives a reader. One may be open at a time.
func (m *Mailbox[T]) Open(context.Context) (stage.Reader[T], error) { return &mailReader[T]{m}, nil }

type mailReader[T any] struct{ box *Mailbox[T] }

// Read gives what is ready, or waits for it.
func (r *mailReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	for ctx.Err() == nil {
		b, wait, end := r.box.collect()
		if b.Len() > 0 {
			return b, nil
		}
		if end {
			return b, io.EOF
		}
		r.box.await(ctx, wait)
	}
	return stage.Batch[T]{}, ctx.Err()
}

// collect takes the letters that are ready. If there are none, it says for how long to wait, 0 for
// news alone, or that there is nothing to wait for: then the engine asks again after a failure.
func (m *Mailbox[T]) collect() (b stage.Batch[T], wait time.Duration, end bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &mail[T]{box: m}
	now := time.Now()
	for _, l := range m.letters {
		switch {
		case l == nil || l.out:
		case l.ready.After(now):
			if left := l.ready.Sub(now); wait == 0 || left < wait {
				wait = left
			}
		default:
			l.out = true
			l.attempt++
			out.letters = append(out.letters, l)
			out.infos = append(out.infos, stage.Info{ID: strconv.Itoa(l.id), Attempt: l.attempt})
			b.Values = append(b.Values, l.value)
		}
	}
	b.Settler, b.Info = out, func(i int) stage.Info { return out.infos[i] }
	return b, wait, m.sealed && wait == 0
}

func (m *Mailbox[T]) await(ctx context.Context, wait time.Duration) {
	var timeout <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-m.news:
	case <-timeout:
	case <-ctx.Done():
	}
}

// Close takes back what is out.
func (r *mailReader[T]) Close(context.Context) error {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	for _, l := range r.box.letters {
		if l != nil {
			l.out = false
		}
	}
	return nil
}

// mail is the letters of one read.
type mail[T any] struct {
	box     *Mailbox[T]
	letters []*letter[T]
	infos   []stage.Info
}

var errNotOut = errors.New("thirdparty: mailbox: letter is not out: it was settled before")

// Settle takes outcomes. One that was given before changes nothing, and is named.
func (b *mail[T]) Settle(_ context.Context, outcomes []stage.Outcome) error {
	defer b.box.tell()
	b.box.mu.Lock()
	defer b.box.mu.Unlock()
	var late stage.BatchError
	for _, o := range outcomes {
		l := b.letters[o.Index]
		if l == nil {
			late.Fail(o.Index, errNotOut)
			continue
		}
		b.letters[o.Index] = nil
		l.out = false
		switch {
		case o.Err == nil:
			b.box.letters[slices.Index(b.box.letters, l)] = nil
		case errors.Is(o.Err, stage.ErrHandedBack):
			l.attempt--
		default:
			l.ready = time.Now().Add(b.box.delay)
		}
	}
	return late.OrNil()
}
