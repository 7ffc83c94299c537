package operators

import (
	"fmt"
	"time"
)

// Windows says which windows a value belongs to by its time and key: made by [Tumbling], [Sliding],
// [Sessions] or [Counts].
type Windows struct {
	kind   windowKind
	size   time.Duration // of a window; of sessions, the gap
	every  time.Duration // from the start of one window to that of the next
	offset time.Duration
	count  int
}

type windowKind int

const (
	noWindows windowKind = iota
	aligned              // at the same times for all keys
	sessions
	counted
)

// Tumbling gives windows of a size, one after the other: each value is in one. They are aligned to
// midnight UTC of 1 January 1970; see [Windows.Offset].
//
//	in        --a---b-c------d----e--|
//	windows   [a    b)[c     d)[  e )
func Tumbling(size time.Duration) Windows { return Windows{kind: aligned, size: size, every: size} }

// Sliding gives windows of a size, of which one begins every so often: with a size of an hour and every
// ten minutes each value is in six. They are aligned as those of [Tumbling].
//
//	in        --a---b-c------d-------|
//	windows   [a    b)
//	              [ b c )
//	                  [c     d)
func Sliding(size, every time.Duration) Windows {
	return Windows{kind: aligned, size: size, every: every}
}

// Sessions gives, for each key, windows of values that follow each other closely: one ends when nothing
// has come for the gap. A value that closes the gap between two makes one of them.
//
//	in        --a-b--c---------d--e------|
//	windows   [a  b  c   )    [d  e   )
//	                 |gap|        |gap|
func Sessions(gap time.Duration) Windows { return Windows{kind: sessions, size: gap} }

// Counts gives, for each key, windows of n values in the order in which they come. Time plays no part:
// no value is late. The last window of a key has fewer, and is complete at the end of the input.
//
//	in        --a----b-c----------d----e--|    n=2
//	windows   [a     b][c         d]  [e]
func Counts(n int) Windows { return Windows{kind: counted, count: n} }

// Offset moves windows that are aligned: days of Tumbling(24*time.Hour).Offset(-2*time.Hour) begin two
// hours before midnight UTC, which is midnight two hours to the east.
func (w Windows) Offset(by time.Duration) Windows {
	w.offset = by
	return w
}

// String names the windows, as in "tumbling 1h0m0s".
func (w Windows) String() string {
	switch {
	case w.kind == aligned && w.size == w.every:
		return fmt.Sprintf("tumbling %v", w.size)
	case w.kind == aligned:
		return fmt.Sprintf("sliding %v every %v", w.size, w.every)
	case w.kind == sessions:
		return fmt.Sprintf("sessions with a gap of %v", w.size)
	case w.kind == counted:
		return fmt.Sprintf("counts of %d", w.count)
	}
	return "no windows"
}

// maxOverlap is in how many windows one value may be.
const maxOverlap = 10_000

func (w Windows) problem() error {
	switch {
	case w.kind == noWindows:
		return fmt.Errorf("operators: window: no windows: make them with Tumbling, Sliding, Sessions or Counts")
	case w.kind == counted && w.count < 1:
		return fmt.Errorf("operators: window: counts of %d: a window needs at least 1 value", w.count)
	case w.kind != counted && w.size <= 0:
		return fmt.Errorf("operators: window: %v: the time must be above 0", w)
	case w.kind == aligned && (w.every <= 0 || w.every > w.size):
		return fmt.Errorf("operators: window: %v: windows must begin at least as often as they are long, or values would be in none", w)
	case w.kind == aligned && w.size/w.every > maxOverlap:
		return fmt.Errorf("operators: window: %v: each value would be in %d windows: at most %d may overlap", w, w.size/w.every, maxOverlap)
	case w.kind != aligned && w.offset != 0:
		return fmt.Errorf("operators: window: %v have no offset: they are not aligned", w)
	}
	return nil
}

// lastStart gives the start of the last aligned window that a time is in.
func (w Windows) lastStart(at instant) instant {
	if at == never || at == always {
		return at
	}
	since := at.plus(-w.offset)
	into := since % instant(w.every)
	if into < 0 {
		into += instant(w.every)
	}
	return at.plus(-time.Duration(into))
}

// Clock says what the time of a value is: made by [EventTime] or [ProcessingTime].
type Clock[T any] struct {
	event      bool
	at         func(T) time.Time // nil: what the source says
	outOfOrder time.Duration
	idle       time.Duration
}

// DefaultIdle is how long a partition may be without records before it no longer holds up the
// watermark, unless [Clock.Idle] says otherwise.
const DefaultIdle = time.Minute

// EventTime goes by when what a value tells of happened, as the function says, or, if it is nil, the
// source ([stage.Info.EventTime]). A value without a time fails, with [ErrEventTime].
//
// How far that time has come, the watermark, is judged by what has come: in each partition of the
// source, such as a queue, values may be up to outOfOrder older than the newest before them. The
// watermark is that of the partition that is behind the others, and never goes back.
func EventTime[T any](at func(T) time.Time, outOfOrder time.Duration) Clock[T] {
	return Clock[T]{event: true, at: at, outOfOrder: outOfOrder, idle: DefaultIdle}
}

// ProcessingTime goes by when a value comes. No value is late; one that comes again is in the window
// that it was in first.
func ProcessingTime[T any]() Clock[T] { return Clock[T]{} }

// Idle sets how long a partition may be without records before it no longer holds up the watermark;
// what it brings later may be late by that. The default is [DefaultIdle]; with 0 it always counts.
// While no partition has records the watermark stays where it is.
func (c Clock[T]) Idle(after time.Duration) Clock[T] {
	c.idle = after
	return c
}

// String names the clock, as in "event time, 10m0s out of order".
func (c Clock[T]) String() string {
	if !c.event {
		return "processing time"
	}
	return fmt.Sprintf("event time, %v out of order", c.outOfOrder)
}

// timeOf gives the time of a value; nil if the source or the clock tells.
func (c Clock[T]) timeOf(v T) *time.Time {
	if c.at == nil {
		return nil
	}
	at := c.at(v)
	return &at
}

func (c Clock[T]) problem() error {
	if c.outOfOrder < 0 || c.idle < 0 {
		return fmt.Errorf("operators: window: %v, partitions idle after %v: neither may be negative", c, c.idle)
	}
	return nil
}
