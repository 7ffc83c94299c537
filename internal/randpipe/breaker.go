package randpipe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/operators"
)

// breakerKind is a function behind a circuit breaker, which is held to letting nothing through while it is
// open, and few when it tries again.
func breakerKind() kind {
	return kind{name: "CircuitBreaker", gives: mapped, draw: func(a *artist, o *op) {
		parallel(a, o)
		o.opens, o.trials = 1+a.IntN(4), 1+a.IntN(2)
		o.age = a.Between(10*time.Millisecond, 2*time.Second)
		if a.Chance(30) {
			o.pause = a.Between(10*time.Millisecond, time.Second)
		}
	}, add: func(o *op, s stream) stream {
		b := &behind{o: o, breaker: &operators.Breaker{Failures: o.opens, Trials: o.trials, OpenFor: o.age, PauseFor: o.pause}}
		f := operators.CircuitBreaker(b.breaker, b.call)
		return s.ParMap(o.n, func(ctx context.Context, it Item) (Item, error) {
			out, err := f(ctx, it)
			if open, ok := errors.AsType[*operators.BreakerOpenError](err); ok {
				b.refused(open)
				o.env.Failed(o.name, Plain, []Item{it})
				err = fmt.Errorf("%w: %w", ErrFault, err)
			}
			return out, err
		}).Named(o.name)
	}}
}

// behind is what lies behind a circuit breaker.
type behind struct {
	o       *op
	breaker *operators.Breaker

	mu    sync.Mutex
	until time.Time // when the breaker lets a call through again at the earliest, as it has said
	tries int       // calls since then of which none has ended
}

// refused notes that the breaker is open, as far as that is what it says: while others try it may say less.
func (b *behind) refused(err *operators.BreakerOpenError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err.For > b.o.age/10 && err.Until.After(b.until) {
		b.until, b.tries = err.Until, 0
	}
}

// call is the function, which sees whether it may be called.
func (b *behind) call(ctx context.Context, it Item) (Item, error) {
	b.mu.Lock()
	tried := !b.until.IsZero()
	if now := time.Now(); now.Before(b.until) {
		b.o.env.Wrong("%s calls with %v %v before its breaker is half open", b.o.name, it, b.until.Sub(now))
	}
	if tried {
		if b.tries++; b.tries > b.o.trials {
			b.o.env.Wrong("%s lets %d calls through while it tries, instead of %d", b.o.name, b.tries, b.o.trials)
		}
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if tried && time.Now().After(b.until) {
			b.until = time.Time{} // it is decided, one way or the other
		}
	}()
	return b.o.tryMap(ctx, it)
}
