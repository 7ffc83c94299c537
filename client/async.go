package client

import (
	"context"
	"fmt"
	"sync"
)

// SendAsync sends a message as [Producer.Send] does, without waiting for it: done is called once, with
// what Send would have returned, from another goroutine or, if the message is refused at once, before
// SendAsync returns. done must not block, since it holds up the goroutine that sends; nor close the
// producer, nor send anything, which may wait for what done itself holds up. If done is nil, failures
// are logged.
//
// SendAsync blocks only while [WithWindow] is full or a topic's route is not known yet, and not longer
// than ctx, which bounds the whole of the send. Messages of one message group are stored in the order
// of the calls; a failed one does not stop those after it.
func (p *Producer) SendAsync(ctx context.Context, m *Message, done func(Receipt, error)) {
	if done == nil {
		done = p.logFailure
	}
	if err := p.begin(); err != nil {
		done(Receipt{}, err)
		return
	}
	m, sending, err := p.client.observer.send(ctx, p.member, m)
	if err == nil {
		done = sending.before(done)
		err = p.accept(ctx, m, done)
	}
	if err != nil {
		p.pending.Done()
		done(Receipt{}, err)
	}
}

func (p *Producer) logFailure(_ Receipt, err error) {
	if err != nil {
		p.client.cfg.log.Error("message not sent", "error", err)
	}
}

// accept takes a place in the window, checks and encodes the message in the caller's goroutine, and
// puts it into the outbox.
func (p *Producer) accept(ctx context.Context, m *Message, done func(Receipt, error)) error {
	if err := p.window.enter(ctx, p.work); err != nil {
		return err
	}
	s, err := p.prepare(ctx, m)
	if err != nil {
		p.window.leave()
		return err
	}
	j := newJob(ctx, s, done)
	j.accepted = p
	p.outbox.sendLater(j)
	return nil
}

// Flush waits until nothing that [Producer.SendAsync] has accepted is under way, or until ctx ends,
// whose cause it then returns. It does not hold up further messages, and with a steady stream of them
// may wait for long. The failures of messages are given to their callbacks.
func (p *Producer) Flush(ctx context.Context) error {
	defer p.outbox.hurry()()
	empty, already := p.window.emptied()
	if already {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("client: flush: messages are still under way: %w", context.Cause(ctx))
	}
}

// A window bounds the messages of SendAsync that are under way.
type window struct {
	slots chan struct{} // one in it for each message accepted and not settled

	mu    sync.Mutex    // guards empty
	empty chan struct{} // closed when there are none; nil if nobody waits
}

// enter takes a place, and waits for one while ctx and the producer's work last.
func (w *window) enter(ctx, work context.Context) error {
	select {
	case w.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-work.Done():
		return context.Cause(work)
	case <-ctx.Done():
		return fmt.Errorf("client: send: the window of %d messages is full: %w", cap(w.slots), context.Cause(ctx))
	}
}

// emptied returns what is closed when no message is under way, unless there is none already.
func (w *window) emptied() (empty <-chan struct{}, already bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.slots) == 0 {
		return nil, true
	}
	if w.empty == nil {
		w.empty = make(chan struct{})
	}
	return w.empty, false
}

func (w *window) leave() {
	<-w.slots
	if len(w.slots) > 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// Whoever waits may have begun to since then, for a message that has come since then.
	if len(w.slots) == 0 && w.empty != nil {
		close(w.empty)
		w.empty = nil
	}
}
