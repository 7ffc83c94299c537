package soak

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// A ledger knows which messages each group has still to receive. What all have received it forgets, so
// that it does not grow.
type ledger struct {
	mu       sync.Mutex                 // guards what follows
	open     map[string]map[string]fate // by group and message
	never    map[string]bool            // messages that were rolled back
	wrong    []error
	counters Report
}

// fate is what is known of a message that a group has not received.
type fate int

const (
	inDoubt fate = iota // its sending is under way, or has failed
	due                 // it is stored
)

func newLedger() *ledger {
	l := &ledger{open: make(map[string]map[string]fate), never: make(map[string]bool)}
	for _, group := range []string{simpleGroup, pushGroup, fifoGroup} {
		l.open[group] = make(map[string]fate)
	}
	return l
}

// sending notes a message before it is sent, for each group that is to receive it.
func (l *ledger) sending(id string, groups ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, group := range groups {
		l.open[group][id] = inDoubt
	}
}

// sent notes what has become of the sending. A message whose sending has failed may be received, or not.
func (l *ledger) sent(id string, err error, groups ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.counters.Failed++
		l.explainLocked("send", err)
	} else {
		l.counters.Sent++
	}
	for _, group := range groups {
		if _, waits := l.open[group][id]; !waits {
			continue // it was received before its sender knew
		}
		if err != nil {
			delete(l.open[group], id)
		} else {
			l.open[group][id] = due
		}
	}
}

// rolledBack notes a message that nobody must receive.
func (l *ledger) rolledBack(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.never[id] = true
}

func (l *ledger) received(group, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.never[id] {
		l.wrong = append(l.wrong, fmt.Errorf("soak: group %s received %s, which was rolled back", group, id))
	}
	if _, waits := l.open[group][id]; waits {
		delete(l.open[group], id)
		l.counters.Received++
	} else {
		l.counters.Duplicates++
	}
}

// explain notes an error unless one of the faults is the reason for it.
func (l *ledger) explain(op string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.explainLocked(op, err)
}

func (l *ledger) explainLocked(op string, err error) {
	for _, injected := range []error{
		client.ErrUnavailable, client.ErrNoAnswer, client.ErrThrottled, // a cut, a frost, a refusal
		client.ErrReceiptExpired, // what came of an answer that was lost, or late
		client.ErrTransactionExpired,
		context.DeadlineExceeded, context.Canceled, // the end of the run
	} {
		if errors.Is(err, injected) {
			return
		}
	}
	if len(l.wrong) < 100 {
		l.wrong = append(l.wrong, fmt.Errorf("soak: %s: %w", op, err))
	}
}

// settle waits until all that was sent has been received.
func (l *ledger) settle(ctx context.Context, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		missing := l.missing()
		if len(missing) == 0 {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("soak: lost: %d messages, such as %s", len(missing), missing[0])
		}
		pass(ctx, 100*time.Millisecond)
	}
}

func (l *ledger) missing() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for group, open := range l.open {
		for id, fate := range open {
			if fate == due {
				out = append(out, id+" for group "+group)
			}
		}
	}
	return out
}

func (l *ledger) problems() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.wrong...)
}

func (l *ledger) report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters
}
