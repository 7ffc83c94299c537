package flowtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
)

// DefaultLimit is how long a run may take, in virtual time, unless [Limit] says otherwise: a week.
const DefaultLimit = 7 * 24 * time.Hour

// pollEvery is how often StopWhen asks, in virtual time.
const pollEvery = time.Second

// Option changes a [Run]. Faults are options too: see [Fail].
type Option interface{ apply(c *config) }

type config struct {
	flow      []flow.RunOption
	stopAfter time.Duration // 0 if the run ends by itself
	stopWhen  func() bool   // likewise nil
	limit     time.Duration
	marks     []mark // in the order of time
	faults    []Fault
}

type option func(c *config)

func (o option) apply(c *config) { o(c) }

// StopAfter ends the context of the run when d has passed, as at the end of a process: the pipeline
// drains. It is for sources that do not end by themselves, and for tests of the drain.
func StopAfter(d time.Duration) Option { return option(func(c *config) { c.stopAfter = d }) }

// StopWhen ends the context of the run when done is true, which it asks each second of virtual time,
// while nothing in the bubble is at work. It is for sources that do not end by themselves, such as
// topics.
func StopWhen(done func() bool) Option { return option(func(c *config) { c.stopWhen = done }) }

// Limit bounds the virtual time of the run, after which it is reported as one that does not end. The
// default is [DefaultLimit].
func Limit(d time.Duration) Option { return option(func(c *config) { c.limit = d }) }

// With passes options to the pipeline's Run, such as flow.WithDrainTimeout.
func With(opts ...flow.RunOption) Option {
	return option(func(c *config) { c.flow = append(c.flow, opts...) })
}

// mark is a step of the watermark.
type mark struct {
	after time.Duration
	to    time.Time
}

// Watermark moves the watermark of each stage that goes by event time to a time, when so much of the
// run's virtual time has passed and nothing in the bubble is at work: so a test completes windows without
// a value that does. It never goes back. With [Input.Pause] values arrive before or after it.
func Watermark(after time.Duration, to time.Time) Option {
	return option(func(c *config) {
		c.marks = append(c.marks, mark{after, to})
		slices.SortStableFunc(c.marks, func(a, b mark) int { return cmp.Compare(a.after, b.after) })
	})
}
