package broker

import (
	"errors"
	"math"
	"path"
	"slices"
	"time"
)

// DefaultRetryMaxTimes is how often a message is delivered again, after the first time, before it
// goes to the dead letters: 16, so 17 deliveries, as on the server.
const DefaultRetryMaxTimes = 16

// Group describes a consumer group. Only Name is required.
type Group struct {
	Name string

	// Ordered makes the group take each queue of a topic in order: what has been received blocks
	// its queue until all of it is acknowledged or visible again. It is a property of the group,
	// not of the topic: a group that is not ordered reads a FIFO topic without blocking.
	Ordered bool

	// RetryMaxTimes bounds the redeliveries of a message: DefaultRetryMaxTimes if 0, none if
	// negative. After that it goes to the topic %DLQ%Name.
	RetryMaxTimes int

	// Backoff is what clients are told to wait before they hand a message back. The broker itself
	// waits by it only with a message whose delivery it has extended for 3 hours (auto_renew).
	Backoff RetryPolicy

	// Lite makes the group one of lite topics. It cannot read any other topic then.
	Lite LiteBinding
}

// RetryPolicy is a backoff: exponential if Initial is positive, else by Steps. The zero value is
// the server's list: 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h.
type RetryPolicy struct {
	Steps []time.Duration // the wait after the first failure, the second, …; the last repeats

	Initial    time.Duration
	Max        time.Duration // 2 h if 0
	Multiplier float32       // 2 if 0
}

func defaultSteps() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{
		s, 5 * s, 10 * s, 30 * s, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m, 8 * m, 9 * m, 10 * m,
		20 * m, 30 * m, h, 2 * h,
	}
}

func (g *Group) normalize() error {
	if g.RetryMaxTimes == 0 {
		g.RetryMaxTimes = DefaultRetryMaxTimes
	}
	g.RetryMaxTimes = max(0, g.RetryMaxTimes)
	p := &g.Backoff
	switch {
	case p.Initial < 0 || p.Max < 0 || p.Multiplier < 0:
		return &ConfigError{"group", g.Name, "backoff must not be negative"}
	case p.Initial > 0 && p.Max == 0:
		p.Max = 2 * time.Hour
	}
	if p.Initial > 0 && p.Multiplier == 0 {
		p.Multiplier = 2
	}
	if p.Initial == 0 && len(p.Steps) == 0 {
		p.Steps = defaultSteps()
	}
	p.Steps = slices.Clone(p.Steps)
	if err := checkGroup(g.Name); err != nil {
		return &ConfigError{"group", g.Name, err.Error()}
	}
	return g.normalizeLite()
}

// asDeclared gives a description that normalize makes this one of.
func (g Group) asDeclared() Group {
	if g.RetryMaxTimes == 0 {
		g.RetryMaxTimes = -1
	}
	if !g.isLite() {
		g.Lite = LiteBinding{}
	}
	return g
}

// groupPatterns are names of groups, and patterns of path.Match.
type groupPatterns []string

func (p groupPatterns) match(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // check has seen to the error
		return ok
	})
}

func (p groupPatterns) check() error {
	var errs []error
	for _, pattern := range p {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, &ConfigError{"group", pattern, "not a pattern of path.Match"})
		}
	}
	return errors.Join(errs...)
}

// maxAttempts is how often a message may be delivered.
func (g *Group) maxAttempts() int32 { return int32(min(g.RetryMaxTimes, 1<<30)) + 1 }

// A group is its description and what it reads.
type group struct {
	Group
	found bool                     // in the diary, and not described since by who has started the broker
	subs  map[string]*subscription // by topic; guarded by store.mu
}

func newGroup(cfg Group) *group {
	return &group{Group: cfg, subs: make(map[string]*subscription)}
}

// backoff is what the group waits after so many failures and another one. The server skips the first
// two steps, and so does this.
func (g *group) backoff(failures int32) time.Duration {
	b := g.Backoff
	if b.Initial > 0 {
		factor := math.Pow(float64(b.Multiplier), float64(min(failures, 32)))
		return time.Duration(min(float64(b.Initial)*factor, float64(b.Max)))
	}
	return b.Steps[min(int(failures)+2, len(b.Steps)-1)]
}
