package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A letter is a message: the number of its sequence, and its number in it. A sequence is sent one after
// the other.
type letter struct{ sequence, number int }

// A fate is what is known of the sending of a message.
type fate byte

const (
	unanswered fate = iota
	stored
)

// A course is what a group knows of a message.
type course struct {
	attempt uint8 // the latest that was seen; 0 for none
	state   state
}

// A state is whether a group may receive a message again.
type state byte

const (
	open   state = iota
	asked        // it is acknowledged, but that is not answered
	closed       // it is acknowledged
)

// A reader is a group and what it has seen.
type reader struct {
	topic   string
	ordered bool
	courses [][]course // by sequence and number
	last    []int      // of each sequence, the number that was seen, of the highest; -1 for none
}

// A ledger knows what was sent, and what has become of it in each group.
type ledger struct {
	mu      sync.Mutex // guards what follows
	topics  []string   // of each sequence
	letters [][]fate   // by sequence and number
	readers map[string]*reader
	figures Report
	wrong   []error
	load    int // answers since the last kill
	stirred chan struct{}
}

func newLedger(readers map[string]*reader) *ledger {
	return &ledger{readers: readers, stirred: make(chan struct{}, 1)}
}

// sequence begins a sequence of messages of a topic.
func (l *ledger) sequence(topic string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics, l.letters = append(l.topics, topic), append(l.letters, nil)
	for _, r := range l.readers {
		r.courses, r.last = append(r.courses, nil), append(r.last, -1)
	}
	return len(l.topics) - 1
}

// sending begins a message of a sequence.
func (l *ledger) sending(sequence int) letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters[sequence] = append(l.letters[sequence], unanswered)
	number := len(l.letters[sequence]) - 1
	for _, r := range l.readers {
		r.courses[sequence] = append(r.courses[sequence], course{})
	}
	return letter{sequence, number}
}

// sent notes what was answered to the sender of a message.
func (l *ledger) sent(at letter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.figures.Unanswered++
		return
	}
	l.letters[at.sequence][at.number] = stored
	l.figures.Sent++
	l.load++
	l.stirLocked()
}

// stirLocked wakes who waits for something.
func (l *ledger) stirLocked() {
	select {
	case l.stirred <- struct{}{}:
	default:
	}
}

// received notes a delivery.
func (l *ledger) received(group string, at letter, attempt int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.readers[group]
	if at.sequence >= len(l.letters) || at.number >= len(l.letters[at.sequence]) || l.topics[at.sequence] != r.topic {
		l.wrongLocked("group %s receives %v, which was never sent to topic %s", group, at, r.topic)
		return
	}
	c := &r.courses[at.sequence][at.number]
	l.figures.Received++
	switch {
	case c.state == closed:
		l.figures.Returned++
		l.wrongLocked("group %s receives %v again, attempt %d, and has acknowledged it", group, at, attempt)
	case attempt < int(c.attempt):
		l.figures.Disordered++
		l.wrongLocked("group %s receives %v as attempt %d after attempt %d", group, at, attempt, c.attempt)
	case c.attempt > 0:
		l.figures.Again++
	case r.ordered && at.number < r.last[at.sequence]:
		l.figures.Disordered++
		l.wrongLocked("group %s receives %v for the first time after %d", group, at, r.last[at.sequence])
	}
	c.attempt = uint8(min(attempt, 255))
	r.last[at.sequence] = max(r.last[at.sequence], at.number)
	l.stirLocked()
}

// acking notes that a message is about to be acknowledged.
func (l *ledger) acking(group string, at letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := &l.readers[group].courses[at.sequence][at.number]; c.state == open {
		c.state = asked
	}
}

// acked notes that this was answered.
func (l *ledger) acked(group string, at letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[group].courses[at.sequence][at.number].state = closed
	l.figures.Acked++
}

func (l *ledger) wrongLocked(format string, args ...any) {
	if len(l.wrong) < 20 {
		l.wrong = append(l.wrong, fmt.Errorf(format, args...))
	}
}

// problems gives what was wrong so far.
func (l *ledger) problems() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.wrong...)
}

// missing gives what a group has still to receive.
func (l *ledger) missing() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, r := range l.readers {
		for sequence, courses := range r.courses {
			for number, c := range courses {
				if l.topics[sequence] == r.topic && l.letters[sequence][number] == stored && c.attempt == 0 {
					all = append(all, fmt.Sprintf("%v for group %s", letter{sequence, number}, group))
				}
			}
		}
	}
	return all
}

// lost notes that no more will be received.
func (l *ledger) lost(all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.figures.Lost = len(all)
	for _, what := range all {
		l.wrongLocked("lost: %s", what)
	}
}

// report gives the figures.
func (l *ledger) report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.figures
	for sequence, fates := range l.letters {
		for number, fate := range fates {
			if fate == unanswered && l.seenLocked(letter{sequence, number}) {
				f.Found++
			}
		}
	}
	return f
}

func (l *ledger) seenLocked(at letter) bool {
	for _, r := range l.readers {
		if r.courses[at.sequence][at.number].attempt > 0 {
			return true
		}
	}
	return false
}

// awaitLoad returns when the present broker has answered a send.
func (l *ledger) awaitLoad(ctx context.Context) error {
	return l.await(ctx, "for an answer to a send", func() bool { return l.load > 0 })
}

// awaitReaders returns when each group has received something.
func (l *ledger) awaitReaders(ctx context.Context) error {
	return l.await(ctx, "for each group to receive something", func() bool {
		for _, r := range l.readers {
			if slices.Max(r.last) < 0 {
				return false
			}
		}
		return true
	})
}

// await returns when something is so, which it asks with the lock held.
func (l *ledger) await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		l.mu.Lock()
		yes := is()
		l.mu.Unlock()
		if yes {
			return nil
		}
		select {
		case <-l.stirred:
		case <-ctx.Done():
			return fmt.Errorf("wait %s: %w", what, context.Cause(ctx))
		}
	}
}

// restarted notes that there is another broker.
func (l *ledger) restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.load = 0
}

// pass waits for a time, or until ctx ends.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
