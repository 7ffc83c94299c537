package operators

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/state"
)

// keptCommit is a commit: what it is to do, and how far it is with it. One is under way at a time; the next
// may be made up meanwhile: see follow.
type keptCommit[K comparable, T, A any] struct {
	wants  func() ([]keptWant[K], error) // the keys that it is about, anew for each try
	plan   func(t *keptTurn[K, T, A])    // says what is to be written
	made   func(t *keptTurn[K, T, A])    // follows when the store has it
	failed func(err error)               // follows when it has not, or that is unknown; may be nil
	idles  bool                          // it is not made if it has nothing to change or to give
	own    instant                       // the watermark that it says the process has
	at     keptAt                        // what it says the process is at

	turn    *keptTurn[K, T, A]   // the last try
	open    []*keptTurn[K, T, A] // tries whose outcome is unknown
	tries   int                  // that are over
	answer  chan struct{}        // closed when the store has answered with
	version state.Version        // this
	err     error                // or this
}

const (
	// keptConflicts is how often a turn is begun anew after a conflict.
	keptConflicts = 100
	// keptLost is how often a turn is begun anew when the outcome of a try is unknown, and how often
	// it is tried to find that out.
	keptLost = 4
)

// keysOf gives keys that stay the same however often a turn is begun anew.
func keysOf[K comparable](wants []keptWant[K]) func() ([]keptWant[K], error) {
	return func() ([]keptWant[K], error) { return wants, nil }
}

// commit makes a commit, and gives the turn that was made. After an error it may be made or not.
func (p *keeper[K, T, A, O]) commit(ctx context.Context, wants func() ([]keptWant[K], error), plan func(t *keptTurn[K, T, A])) (made *keptTurn[K, T, A], err error) {
	c := &keptCommit[K, T, A]{wants: wants, plan: plan, own: p.own, at: p.at}
	c.made = func(t *keptTurn[K, T, A]) { made = t }
	if err := p.begin(ctx, c); err != nil {
		return nil, err
	}
	err = p.join(ctx)
	return made, err
}

// begin makes up a commit, and has it under way; no other is.
func (p *keeper[K, T, A, O]) begin(ctx context.Context, c *keptCommit[K, T, A]) error {
	if _, err := p.makeUp(ctx, c); err != nil {
		return p.lost(c, err)
	}
	if c.idle() {
		c.made(c.turn)
		return nil
	}
	p.start(c)
	return nil
}

// idle tells whether a commit that is made up need not be made.
func (c *keptCommit[K, T, A]) idle() bool {
	return c.idles && !c.turn.raises && !slices.ContainsFunc(c.turn.order, func(k *keptKey[K, A]) bool {
		return k.touched || k.given != nil
	})
}

// start gives a commit to the store.
func (p *keeper[K, T, A, O]) start(c *keptCommit[K, T, A]) {
	c.answer = make(chan struct{})
	p.under = c
	p.rt.Go(func(ctx context.Context) {
		defer close(c.answer)
		c.version, c.err = p.kept.Store.Commit(ctx, &c.turn.draft)
	})
}

// join waits until the commit that is under way, if there is one, is made: again, with what the store has
// then, as long as others were quicker.
func (p *keeper[K, T, A, O]) join(ctx context.Context) error {
	for p.under != nil {
		c := p.under
		<-c.answer
		p.under = nil
		if c.err == nil {
			p.took(c)
			c.made(c.turn)
			return nil
		}
		if err := p.tryAgain(ctx, c); err != nil {
			return p.lost(c, err)
		}
		landed, err := p.makeUp(ctx, c)
		switch {
		case err != nil:
			return p.lost(c, err)
		case landed:
			c.made(c.turn)
		default:
			p.start(c)
		}
	}
	return nil
}

// await is join where the commit under way, if there is one, has seen to its failure itself.
func (p *keeper[K, T, A, O]) await(ctx context.Context) { _ = p.join(ctx) }

// lost has a commit know that it is not made.
func (p *keeper[K, T, A, O]) lost(c *keptCommit[K, T, A], err error) error {
	if c.failed != nil {
		c.failed(err)
	}
	return err
}

// took takes note that the store has made a commit.
func (p *keeper[K, T, A, O]) took(c *keptCommit[K, T, A]) {
	p.seat = keptSeat{version: c.version, number: c.turn.number, known: true, told: c.turn.at}
	p.made(c.turn, c.version)
}

// tryAgain gives an error if a commit is not to be tried again after what the store has answered.
func (p *keeper[K, T, A, O]) tryAgain(ctx context.Context, c *keptCommit[K, T, A]) error {
	c.tries++
	conflict, ok := errors.AsType[*state.ConflictError](c.err)
	switch {
	case ok && c.tries <= keptConflicts:
		p.rt.Count("conflicts", 1)
		p.yield(c.turn, conflict)
	case ok || errors.Is(c.err, state.ErrInvalid) || errors.Is(c.err, state.ErrClosed):
		return c.err
	default:
		p.forget(c.turn)
		if c.open = append(c.open, c.turn); len(c.open) >= keptLost {
			return c.err
		}
		p.rt.Logger().Warn("the outcome of a commit is unknown", "windows", p.kept.Name, "error", c.err)
	}
	if c.tries > 2 && !pause(ctx, time.Duration(min(c.tries-1, 50))*(time.Millisecond+rand.N(10*time.Millisecond))) {
		return c.err
	}
	return nil
}

// makeUp makes up a try of a commit by what the store has, or finds that it has made one whose answer was
// lost.
func (p *keeper[K, T, A, O]) makeUp(ctx context.Context, c *keptCommit[K, T, A]) (landed bool, err error) {
	for {
		p.noticeSilence()
		if err := p.seated(ctx); err != nil {
			return false, err
		}
		if t := p.landed(c.open); t != nil {
			c.turn = t
			return true, nil
		}
		wants, err := c.wants()
		if err != nil {
			return false, err
		}
		c.turn = p.vacant(c)
		if err := p.load(ctx, c.turn, nil, wants); err != nil {
			return false, err
		}
		if !p.noticeSilence() { // else what it wants was found out before the process stood still
			c.plan(c.turn)
			p.changes(c)
			return false, nil
		}
	}
}

// landed gives the try that the store has made although its answer was lost.
func (p *keeper[K, T, A, O]) landed(open []*keptTurn[K, T, A]) *keptTurn[K, T, A] {
	for _, t := range open {
		if t.number == p.seat.number {
			p.made(t, p.seat.version)
			return t
		}
	}
	return nil
}

// vacant gives a turn for a try of a commit: the memory of one that is over if there is one.
func (p *keeper[K, T, A, O]) vacant(c *keptCommit[K, T, A]) *keptTurn[K, T, A] {
	switch {
	case c.tries > 0:
		return new(keptTurn[K, T, A]) // those before it may be open
	case p.under != nil && p.under.turn == &p.memory[0]:
		return &p.memory[1]
	}
	return &p.memory[0]
}
